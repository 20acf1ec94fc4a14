-- A wallet's log-ons are counted.

CREATE INDEX refresh_tokens_by_wallet ON refresh_tokens (wallet);
