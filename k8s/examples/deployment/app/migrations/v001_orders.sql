-- description: orders
-- migrate:up
CREATE TABLE orders (
  id INTEGER PRIMARY KEY,
  what TEXT NOT NULL,
  created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
-- migrate:down
DROP TABLE orders;
