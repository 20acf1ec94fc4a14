-- Who asked for commands, and who gave roles: the journal says neither. Meanings: docs/STORE.md.

CREATE TABLE asked (
    source  {integer} NOT NULL,
    number  {integer} NOT NULL,
    command {integer} NOT NULL,
    payload {bytes} NOT NULL,
    wallet  {bytes} NOT NULL,
    time    {integer} NOT NULL,
    PRIMARY KEY (source, number)
) {by_key};

CREATE TABLE roles_given (
    time   {integer} NOT NULL,
    wallet {bytes} NOT NULL,
    role   {integer} NOT NULL,
    giver  {bytes} NOT NULL,
    PRIMARY KEY (time, wallet)
) {by_key};
