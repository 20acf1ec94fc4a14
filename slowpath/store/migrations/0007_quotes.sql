-- Sides of quotes are orders too. Meanings: docs/STORE.md.

ALTER TABLE orders ADD COLUMN quote {integer} NOT NULL DEFAULT 0;
