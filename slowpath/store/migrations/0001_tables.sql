-- One text for both databases. {integer}, {bytes}: 64 bits, bytes. {rows}: an ordinary table; {by_key}: one
-- that lies in the order of its key, where the database has such. Meanings: docs/STORE.md.

CREATE TABLE system (
    id             {integer} PRIMARY KEY CHECK (id = 1),
    schema_version {integer} NOT NULL,
    shard          {integer} NOT NULL,
    last_seq       {integer} NOT NULL,
    last_crc       {integer} NOT NULL,
    last_time      {integer} NOT NULL,
    epoch          {integer} NOT NULL
) {rows};

CREATE TABLE assets (
    asset    {integer} PRIMARY KEY,
    decimals {integer} NOT NULL,
    symbol   TEXT NOT NULL,
    seq      {integer} NOT NULL
) {rows};

CREATE TABLE markets (
    market        {integer} PRIMARY KEY,
    base          {integer} NOT NULL,
    quote         {integer} NOT NULL,
    maker_fee_ppm {integer} NOT NULL,
    taker_fee_ppm {integer} NOT NULL,
    price_levels  {integer} NOT NULL,
    tick_value    {integer} NOT NULL,
    lot_size      {integer} NOT NULL,
    min_qty       {integer} NOT NULL,
    price_min     {integer} NOT NULL,
    symbol        TEXT NOT NULL,
    seq           {integer} NOT NULL
) {rows};

CREATE TABLE accounts (
    account {integer} PRIMARY KEY,
    firm    {integer} NOT NULL,
    owner   {bytes},
    seq     {integer} NOT NULL,
    time    {integer} NOT NULL
) {rows};
CREATE INDEX accounts_by_owner ON accounts (owner, account);

CREATE TABLE sessions (
    session    {integer} PRIMARY KEY,
    account    {integer} NOT NULL,
    public_key {bytes} NOT NULL,
    seq        {integer} NOT NULL,
    time       {integer} NOT NULL
) {rows};
CREATE INDEX sessions_by_account ON sessions (account, session);

CREATE TABLE orders (
    order_id        {integer} PRIMARY KEY,
    session         {integer} NOT NULL,
    account         {integer} NOT NULL,
    client_order_id {integer} NOT NULL,
    market          {integer} NOT NULL,
    side            {integer} NOT NULL,
    order_type      {integer} NOT NULL,
    time_in_force   {integer} NOT NULL,
    post_only       {integer} NOT NULL,
    price           {integer} NOT NULL,
    qty             {integer} NOT NULL,
    filled          {integer} NOT NULL,
    leaves          {integer} NOT NULL,
    notional        TEXT NOT NULL,
    status          {integer} NOT NULL,
    reason          {integer} NOT NULL,
    created_seq     {integer} NOT NULL,
    created_time    {integer} NOT NULL,
    updated_seq     {integer} NOT NULL,
    updated_time    {integer} NOT NULL
) {rows};
CREATE INDEX orders_by_account ON orders (account, created_seq, order_id);
CREATE INDEX orders_by_client_id ON orders (account, client_order_id, created_seq);
CREATE INDEX orders_open ON orders (account, created_seq, order_id) WHERE status <= 1;

CREATE TABLE rejections (
    session         {integer} NOT NULL,
    report_no       {integer} NOT NULL,
    account         {integer} NOT NULL,
    client_order_id {integer} NOT NULL,
    order_id        {integer} NOT NULL,
    command         {integer} NOT NULL,
    reason          {integer} NOT NULL,
    seq             {integer} NOT NULL,
    time            {integer} NOT NULL,
    PRIMARY KEY (session, report_no)
) {by_key};
CREATE INDEX rejections_by_client_id ON rejections (account, client_order_id, seq);

CREATE TABLE reports (
    session   {integer} NOT NULL,
    report_no {integer} NOT NULL,
    seq       {integer} NOT NULL,
    time      {integer} NOT NULL,
    kind      {integer} NOT NULL,
    payload   {bytes} NOT NULL,
    PRIMARY KEY (session, report_no)
) {by_key};

CREATE TABLE trades (
    trade_id      {integer} PRIMARY KEY,
    market        {integer} NOT NULL,
    price         {integer} NOT NULL,
    qty           {integer} NOT NULL,
    notional      {integer} NOT NULL,
    taker_side    {integer} NOT NULL,
    maker_order   {integer} NOT NULL,
    maker_account {integer} NOT NULL,
    maker_session {integer} NOT NULL,
    maker_fee     {integer} NOT NULL,
    taker_order   {integer} NOT NULL,
    taker_account {integer} NOT NULL,
    taker_session {integer} NOT NULL,
    taker_fee     {integer} NOT NULL,
    seq           {integer} NOT NULL,
    time          {integer} NOT NULL
) {rows};
CREATE INDEX trades_by_market ON trades (market, trade_id);
CREATE INDEX trades_by_maker ON trades (maker_account, trade_id);
CREATE INDEX trades_by_taker ON trades (taker_account, trade_id);

CREATE TABLE balances (
    account   {integer} NOT NULL,
    asset     {integer} NOT NULL,
    available {integer} NOT NULL,
    held      {integer} NOT NULL,
    seq       {integer} NOT NULL,
    PRIMARY KEY (account, asset)
) {by_key};

CREATE TABLE market_stats (
    market       {integer} PRIMARY KEY,
    last_trade   {integer} NOT NULL,
    last_price   {integer} NOT NULL,
    last_qty     {integer} NOT NULL,
    last_time    {integer} NOT NULL,
    volume       TEXT NOT NULL,
    quote_volume TEXT NOT NULL,
    trades       {integer} NOT NULL,
    seq          {integer} NOT NULL
) {rows};

CREATE TABLE candles (
    market       {integer} NOT NULL,
    interval     {integer} NOT NULL,
    open_time    {integer} NOT NULL,
    open         {integer} NOT NULL,
    high         {integer} NOT NULL,
    low          {integer} NOT NULL,
    close        {integer} NOT NULL,
    volume       TEXT NOT NULL,
    quote_volume TEXT NOT NULL,
    trades       {integer} NOT NULL,
    seq          {integer} NOT NULL,
    PRIMARY KEY (market, interval, open_time)
) {by_key};

CREATE TABLE deposits (
    seq     {integer} PRIMARY KEY,
    time    {integer} NOT NULL,
    source  {integer} NOT NULL,
    number  {integer} NOT NULL,
    account {integer} NOT NULL,
    asset   {integer} NOT NULL,
    amount  {integer} NOT NULL,
    reason  {integer} NOT NULL
) {rows};
CREATE INDEX deposits_by_account ON deposits (account, seq);

CREATE TABLE audit (
    seq     {integer} PRIMARY KEY,
    time    {integer} NOT NULL,
    number  {integer} NOT NULL,
    command {integer} NOT NULL,
    payload {bytes} NOT NULL,
    reason  {integer} NOT NULL
) {rows};

CREATE TABLE snapshots (
    seq        {integer} PRIMARY KEY,
    path       TEXT NOT NULL,
    state_hash {integer} NOT NULL,
    bytes      {integer} NOT NULL,
    created    {integer} NOT NULL
) {rows};

CREATE TABLE users (
    wallet  {bytes} PRIMARY KEY,
    role    {integer} NOT NULL,
    created {integer} NOT NULL
) {by_key};

CREATE TABLE refresh_tokens (
    hash    {bytes} PRIMARY KEY,
    family  {integer} NOT NULL,
    wallet  {bytes} NOT NULL,
    issued  {integer} NOT NULL,
    expires {integer} NOT NULL,
    used    {integer},
    revoked {integer}
) {by_key};
CREATE INDEX refresh_tokens_by_family ON refresh_tokens (family);
