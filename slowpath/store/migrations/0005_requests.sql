-- Under which name somebody asked, so that asking again finds what came of it. Meanings: docs/STORE.md.

ALTER TABLE asked ADD COLUMN request TEXT;
CREATE UNIQUE INDEX asked_by_request ON asked (request);
CREATE INDEX deposits_by_number ON deposits (source, number);
