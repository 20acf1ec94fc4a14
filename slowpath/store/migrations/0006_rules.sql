-- What orders can ask for since the engine knows it, self-trades, states of markets, auctions. Meanings: docs/STORE.md.

ALTER TABLE orders ADD COLUMN min_qty {integer} NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN self_trade {integer} NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN self_trade_scope {integer} NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN expires {integer} NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN display_qty {integer} NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN trigger_price {integer} NOT NULL DEFAULT 0;
ALTER TABLE trades ADD COLUMN maker_is_rebate {integer} NOT NULL DEFAULT 0;

-- A stop that waits is open as well.
DROP INDEX orders_open;
CREATE INDEX orders_open ON orders (account, created_seq, order_id) WHERE status IN (0, 1, 4);

CREATE TABLE replaced_ids (
    account         {integer} NOT NULL,
    session         {integer} NOT NULL,
    client_order_id {integer} NOT NULL,
    order_id        {integer} NOT NULL,
    seq             {integer} NOT NULL,
    PRIMARY KEY (account, client_order_id, session, seq)
) {by_key};

CREATE TABLE self_trades (
    session     {integer} NOT NULL,
    report_no   {integer} NOT NULL,
    account     {integer} NOT NULL,
    order_id    {integer} NOT NULL,
    maker_order {integer} NOT NULL,
    market      {integer} NOT NULL,
    price       {integer} NOT NULL,
    qty         {integer} NOT NULL,
    self_trade  {integer} NOT NULL,
    seq         {integer} NOT NULL,
    time        {integer} NOT NULL,
    PRIMARY KEY (session, report_no)
) {by_key};
CREATE INDEX self_trades_by_account ON self_trades (account, seq, report_no);

CREATE TABLE market_states (
    market {integer} NOT NULL,
    seq    {integer} NOT NULL,
    state  {integer} NOT NULL,
    time   {integer} NOT NULL,
    PRIMARY KEY (market, seq)
) {by_key};

CREATE TABLE auctions (
    market {integer} NOT NULL,
    seq    {integer} NOT NULL,
    price  {integer} NOT NULL,
    qty    {integer} NOT NULL,
    time   {integer} NOT NULL,
    PRIMARY KEY (market, seq)
) {by_key};
