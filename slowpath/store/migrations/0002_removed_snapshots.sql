-- Snapshots that are no longer in their folder stay in the index. Meanings: docs/STORE.md.

ALTER TABLE snapshots ADD COLUMN removed {integer};
