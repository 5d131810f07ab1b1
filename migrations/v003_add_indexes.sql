-- description: Performance indexes, and full-text search over work orders
-- depends: v001_initial_schema, v002_add_security_tables

-- migrate:up

-- Users
CREATE INDEX idx_users_email_lower ON users (lower(email));
CREATE INDEX idx_users_last_used ON users (last_used);
CREATE INDEX idx_user_preferences_updated ON user_preferences (updated_at);
CREATE INDEX idx_user_activities_created_desc ON user_activities (created_at DESC);
CREATE INDEX idx_user_activities_user_type_created ON user_activities (user_id, activity_type, created_at DESC);

-- Work orders and dispensers
CREATE INDEX idx_work_orders_user_status ON work_orders (user_id, status);
CREATE INDEX idx_work_orders_scheduled ON work_orders (scheduled_date);
CREATE INDEX idx_work_orders_external ON work_orders (external_id);
CREATE INDEX idx_work_orders_store ON work_orders (store_number);
CREATE INDEX idx_work_orders_service ON work_orders (service_code);
CREATE INDEX idx_work_orders_visit ON work_orders (visit_number);
CREATE INDEX idx_work_orders_user_scheduled_status ON work_orders (user_id, scheduled_date, status);
CREATE INDEX idx_dispensers_work_order_number ON dispensers (work_order_id, dispenser_number);
CREATE INDEX idx_dispensers_status ON dispensers (status);
CREATE INDEX idx_dispensers_automation ON dispensers (automation_completed);
CREATE INDEX idx_dispensers_work_order_status_automation ON dispensers (work_order_id, status, automation_completed);

-- Automation and scraping
CREATE INDEX idx_automation_jobs_user_status ON automation_jobs (user_id, status);
CREATE INDEX idx_automation_jobs_created ON automation_jobs (created_at DESC);
CREATE INDEX idx_automation_jobs_type ON automation_jobs (job_type);
CREATE INDEX idx_scraping_schedules_user_enabled ON scraping_schedules (user_id, enabled);
CREATE INDEX idx_scraping_schedules_next_run ON scraping_schedules (next_run);
CREATE INDEX idx_scraping_schedules_type ON scraping_schedules (schedule_type);

-- Filter stock
CREATE INDEX idx_filter_transactions_user ON filter_inventory_transactions (user_id);
CREATE INDEX idx_filter_transactions_created ON filter_inventory_transactions (created_at DESC);

-- Full-text search over work orders.
--
-- A full-text table knows its rows by number only. work_orders has text ids, and VACUUM may renumber its implicit
-- rowids, so each order gets a number of its own here, which VACUUM keeps because it is an INTEGER PRIMARY KEY. It is
-- also what makes the triggers fast: work_order_id cannot be indexed inside the full-text table, so without the number
-- each change of an order would read all of it.
CREATE TABLE work_orders_fts_ids (
  id INTEGER PRIMARY KEY,
  work_order_id VARCHAR NOT NULL UNIQUE
);

-- It keeps its own copy of the text. An index without one needs the exact old text to forget a row, and when
-- INSERT OR REPLACE replaces an order, its old text is gone before any trigger runs.
CREATE VIRTUAL TABLE work_orders_fts USING fts5 (site_name, address, notes, instructions, work_order_id UNINDEXED);

INSERT INTO work_orders_fts_ids (work_order_id)
SELECT id FROM work_orders ORDER BY id;

INSERT INTO work_orders_fts (rowid, site_name, address, notes, instructions, work_order_id)
SELECT ids.id, w.site_name, w.address, w.notes, w.instructions, w.id
FROM work_orders_fts_ids AS ids
JOIN work_orders AS w ON w.id = ids.work_order_id
ORDER BY ids.id;

-- INSERT OR REPLACE does not fire delete triggers (unless recursive_triggers is on), so the insert trigger forgets a
-- replaced order itself.
CREATE TRIGGER work_orders_fts_insert AFTER INSERT ON work_orders
BEGIN
  DELETE FROM work_orders_fts
  WHERE rowid = (SELECT id FROM work_orders_fts_ids WHERE work_order_id = new.id);
  DELETE FROM work_orders_fts_ids WHERE work_order_id = new.id;

  INSERT INTO work_orders_fts_ids (work_order_id) VALUES (new.id);
  INSERT INTO work_orders_fts (rowid, site_name, address, notes, instructions, work_order_id)
  SELECT id, new.site_name, new.address, new.notes, new.instructions, new.id
  FROM work_orders_fts_ids WHERE work_order_id = new.id;
END;

-- new.id is forgotten as well because UPDATE OR REPLACE may give an order the id of another one, which is then gone.
-- An update that changes no text costs nothing.
CREATE TRIGGER work_orders_fts_update AFTER UPDATE OF id, site_name, address, notes, instructions ON work_orders
WHEN (old.id, old.site_name, old.address, old.notes, old.instructions)
  IS NOT (new.id, new.site_name, new.address, new.notes, new.instructions)
BEGIN
  DELETE FROM work_orders_fts
  WHERE rowid IN (SELECT id FROM work_orders_fts_ids WHERE work_order_id IN (old.id, new.id));
  DELETE FROM work_orders_fts_ids WHERE work_order_id IN (old.id, new.id);

  INSERT INTO work_orders_fts_ids (work_order_id) VALUES (new.id);
  INSERT INTO work_orders_fts (rowid, site_name, address, notes, instructions, work_order_id)
  SELECT id, new.site_name, new.address, new.notes, new.instructions, new.id
  FROM work_orders_fts_ids WHERE work_order_id = new.id;
END;

CREATE TRIGGER work_orders_fts_delete AFTER DELETE ON work_orders
BEGIN
  DELETE FROM work_orders_fts
  WHERE rowid = (SELECT id FROM work_orders_fts_ids WHERE work_order_id = old.id);
  DELETE FROM work_orders_fts_ids WHERE work_order_id = old.id;
END;

-- migrate:down

DROP TRIGGER work_orders_fts_delete;
DROP TRIGGER work_orders_fts_update;
DROP TRIGGER work_orders_fts_insert;
DROP TABLE work_orders_fts;
DROP TABLE work_orders_fts_ids;

DROP INDEX idx_filter_transactions_created;
DROP INDEX idx_filter_transactions_user;
DROP INDEX idx_scraping_schedules_type;
DROP INDEX idx_scraping_schedules_next_run;
DROP INDEX idx_scraping_schedules_user_enabled;
DROP INDEX idx_automation_jobs_type;
DROP INDEX idx_automation_jobs_created;
DROP INDEX idx_automation_jobs_user_status;
DROP INDEX idx_dispensers_work_order_status_automation;
DROP INDEX idx_dispensers_automation;
DROP INDEX idx_dispensers_status;
DROP INDEX idx_dispensers_work_order_number;
DROP INDEX idx_work_orders_user_scheduled_status;
DROP INDEX idx_work_orders_visit;
DROP INDEX idx_work_orders_service;
DROP INDEX idx_work_orders_store;
DROP INDEX idx_work_orders_external;
DROP INDEX idx_work_orders_scheduled;
DROP INDEX idx_work_orders_user_status;
DROP INDEX idx_user_activities_user_type_created;
DROP INDEX idx_user_activities_created_desc;
DROP INDEX idx_user_preferences_updated;
DROP INDEX idx_users_last_used;
DROP INDEX idx_users_email_lower;
