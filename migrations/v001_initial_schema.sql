-- description: Core tables: users, work orders, dispensers, scraping, filter stock
-- This is what SQLAlchemy's create_all makes, so a database that the application created itself is at this level.
-- The only default in SQL is CURRENT_TIMESTAMP. The others (a new UUID for a text id, status 'pending', counters at 0)
-- are the application's: whoever else inserts has to give them.

-- migrate:up

-- Users, and the account data that belongs to one of them.
CREATE TABLE users (
  id VARCHAR(32) NOT NULL,
  email VARCHAR(255) NOT NULL,
  password_hash TEXT,
  label VARCHAR(255),
  friendly_name VARCHAR(100),
  configured_email VARCHAR(255),
  last_used DATETIME DEFAULT CURRENT_TIMESTAMP,
  created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  updated_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  notification_settings JSON,
  preferences_json JSON,
  PRIMARY KEY (id)
);
CREATE UNIQUE INDEX ix_users_email ON users (email);

CREATE TABLE user_sessions (
  id INTEGER NOT NULL,
  user_id VARCHAR(32) NOT NULL,
  is_active BOOLEAN NOT NULL,
  session_data JSON,
  created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  updated_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (id),
  UNIQUE (user_id),
  FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX idx_user_sessions_active ON user_sessions (is_active);

CREATE TABLE user_preferences (
  id INTEGER NOT NULL,
  user_id VARCHAR(32) NOT NULL,
  category VARCHAR(50) NOT NULL,
  settings JSON NOT NULL,
  created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  updated_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (id),
  CONSTRAINT unique_user_category UNIQUE (user_id, category),
  FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX idx_user_preferences_category ON user_preferences (user_id, category);
CREATE INDEX ix_user_preferences_user_id ON user_preferences (user_id);

CREATE TABLE user_credentials (
  id INTEGER NOT NULL,
  user_id VARCHAR(32) NOT NULL,
  service_name VARCHAR(50) NOT NULL,
  encrypted_username TEXT NOT NULL,
  encrypted_password TEXT NOT NULL,
  is_active BOOLEAN,
  is_verified BOOLEAN,
  last_verified DATETIME,
  created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  updated_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (id),
  CONSTRAINT unique_user_service UNIQUE (user_id, service_name),
  FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX idx_user_credentials_service ON user_credentials (user_id, service_name);
CREATE INDEX ix_user_credentials_user_id ON user_credentials (user_id);

CREATE TABLE prover_settings (
  id INTEGER NOT NULL,
  user_id VARCHAR(32) NOT NULL,
  prover_id VARCHAR(100) NOT NULL,
  serial VARCHAR(100),
  make VARCHAR(255),
  preferred_fuel_type VARCHAR(255),
  preferred_fuel_types JSON,
  priority INTEGER,
  full_text TEXT,
  work_week_preference JSON,
  created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  updated_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (id),
  CONSTRAINT unique_user_prover UNIQUE (user_id, prover_id),
  FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX ix_prover_settings_user_id ON prover_settings (user_id);
CREATE INDEX idx_prover_settings_priority ON prover_settings (user_id, priority);

-- What users do and what the application notices on their behalf.
CREATE TABLE user_activities (
  id INTEGER NOT NULL,
  user_id VARCHAR(32) NOT NULL,
  username VARCHAR(255) NOT NULL,
  activity_type VARCHAR(100) NOT NULL,
  details JSON,
  created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (id),
  FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX idx_user_activities_type_time ON user_activities (user_id, activity_type, created_at);
CREATE INDEX ix_user_activities_user_id ON user_activities (user_id);
CREATE INDEX ix_user_activities_activity_type ON user_activities (activity_type);
CREATE INDEX ix_user_activities_created_at ON user_activities (created_at);

CREATE TABLE user_schedule_changes (
  id INTEGER NOT NULL,
  user_id VARCHAR(32) NOT NULL,
  change_type VARCHAR(100) NOT NULL,
  change_data JSON NOT NULL,
  change_text TEXT,
  detected_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  notified BOOLEAN,
  PRIMARY KEY (id),
  FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX ix_user_schedule_changes_user_id ON user_schedule_changes (user_id);
CREATE INDEX idx_user_schedule_changes_type ON user_schedule_changes (user_id, change_type, detected_at);
CREATE INDEX idx_user_schedule_changes_notified ON user_schedule_changes (user_id, notified);

CREATE TABLE user_change_history (
  id INTEGER NOT NULL,
  user_id VARCHAR(32) NOT NULL,
  change_id VARCHAR(100) NOT NULL,
  entity_type VARCHAR(100) NOT NULL,
  entity_id VARCHAR(100),
  before_data JSON,
  after_data JSON,
  change_reason VARCHAR(255),
  changed_by VARCHAR(255),
  created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (id),
  FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX ix_user_change_history_change_id ON user_change_history (change_id);
CREATE INDEX idx_user_change_history_entity ON user_change_history (user_id, entity_type, created_at);
CREATE INDEX ix_user_change_history_user_id ON user_change_history (user_id);

CREATE TABLE user_batch_history (
  id INTEGER NOT NULL,
  user_id VARCHAR(32) NOT NULL,
  batch_id VARCHAR(100) NOT NULL,
  batch_type VARCHAR(100) NOT NULL,
  work_orders JSON,
  results JSON,
  started_at DATETIME,
  completed_at DATETIME,
  status VARCHAR(50),
  PRIMARY KEY (id),
  FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX ix_user_batch_history_batch_id ON user_batch_history (batch_id);
CREATE INDEX idx_user_batch_history_status ON user_batch_history (user_id, status, started_at);
CREATE INDEX ix_user_batch_history_user_id ON user_batch_history (user_id);

CREATE TABLE user_completed_jobs (
  id INTEGER NOT NULL,
  user_id VARCHAR(32) NOT NULL,
  job_id VARCHAR(100) NOT NULL,
  work_order_id VARCHAR(100),
  completion_date DATETIME,
  job_data JSON,
  removal_reason VARCHAR(255),
  created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (id),
  CONSTRAINT unique_user_job UNIQUE (user_id, job_id),
  FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX idx_user_completed_jobs_date ON user_completed_jobs (user_id, completion_date);
CREATE INDEX ix_user_completed_jobs_user_id ON user_completed_jobs (user_id);
CREATE INDEX ix_user_completed_jobs_job_id ON user_completed_jobs (job_id);

-- Work orders, the dispensers at their sites, and the jobs that fill in the forms.
CREATE TABLE work_orders (
  id VARCHAR NOT NULL,
  user_id VARCHAR NOT NULL,
  external_id VARCHAR(100),
  site_name VARCHAR(200) NOT NULL,
  address TEXT,
  scheduled_date DATETIME,
  status VARCHAR(50),
  work_type VARCHAR(100),
  notes TEXT,
  scraped_data JSON,
  store_number VARCHAR(50),
  service_code VARCHAR(20),
  service_description TEXT,
  visit_id VARCHAR(100),
  visit_url TEXT,
  visit_number VARCHAR(50),
  instructions TEXT,
  service_name VARCHAR(200),
  service_items JSON,
  street VARCHAR(500),
  city_state VARCHAR(200),
  county VARCHAR(100),
  created_date DATETIME,
  created_by VARCHAR(200),
  customer_url TEXT,
  last_synced_at DATETIME,
  sync_status VARCHAR(50),
  sync_error_message TEXT,
  sync_retry_count INTEGER,
  sync_session_id VARCHAR,
  created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  updated_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (id),
  FOREIGN KEY (user_id) REFERENCES users (id)
);

CREATE TABLE dispensers (
  id VARCHAR NOT NULL,
  work_order_id VARCHAR NOT NULL,
  dispenser_number VARCHAR(20) NOT NULL,
  dispenser_type VARCHAR(100),
  fuel_grades JSON,
  status VARCHAR(50),
  progress_percentage FLOAT,
  form_data JSON,
  automation_completed BOOLEAN,
  testing_requirements JSON,
  make VARCHAR(100),
  model VARCHAR(100),
  serial_number VARCHAR(100),
  meter_type VARCHAR(100),
  number_of_nozzles VARCHAR(20),
  created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  updated_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (id),
  FOREIGN KEY (work_order_id) REFERENCES work_orders (id)
);

CREATE TABLE automation_jobs (
  id VARCHAR NOT NULL,
  user_id VARCHAR NOT NULL,
  work_order_id VARCHAR,
  job_type VARCHAR(50) NOT NULL,
  status VARCHAR(20),
  progress INTEGER,
  total_items INTEGER,
  current_item INTEGER,
  error_message TEXT,
  job_config JSON,
  started_at DATETIME,
  completed_at DATETIME,
  created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (id),
  FOREIGN KEY (user_id) REFERENCES users (id),
  FOREIGN KEY (work_order_id) REFERENCES work_orders (id)
);

-- What was scraped, as it came. Its work orders need not be in work_orders, so work_order_id is no foreign key.
CREATE TABLE user_scraped_content (
  id INTEGER NOT NULL,
  user_id VARCHAR(32) NOT NULL,
  content_type VARCHAR(100) NOT NULL,
  content JSON NOT NULL,
  source_url TEXT,
  checksum VARCHAR(64),
  created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (id),
  FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX idx_user_scraped_content_type ON user_scraped_content (user_id, content_type, created_at);
CREATE INDEX ix_user_scraped_content_user_id ON user_scraped_content (user_id);
CREATE INDEX ix_user_scraped_content_created_at ON user_scraped_content (created_at);

CREATE TABLE user_dispenser_data (
  id INTEGER NOT NULL,
  user_id VARCHAR(32) NOT NULL,
  work_order_id VARCHAR(100) NOT NULL,
  visit_id VARCHAR(100),
  dispenser_data JSON NOT NULL,
  meta_data JSON,
  created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  updated_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (id),
  CONSTRAINT unique_user_work_order UNIQUE (user_id, work_order_id),
  FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX ix_user_dispenser_data_user_id ON user_dispenser_data (user_id);
CREATE INDEX idx_user_dispenser_work_order ON user_dispenser_data (user_id, work_order_id);
CREATE INDEX ix_user_dispenser_data_work_order_id ON user_dispenser_data (work_order_id);

-- When the scraper runs, and how it went. The application declares no foreign key on user_id here.
CREATE TABLE scraping_schedules (
  id INTEGER NOT NULL,
  user_id VARCHAR NOT NULL,
  schedule_type VARCHAR NOT NULL,
  interval_hours FLOAT,
  active_hours JSON,
  enabled BOOLEAN,
  last_run DATETIME,
  next_run DATETIME,
  consecutive_failures INTEGER,
  config JSON,
  created_at DATETIME,
  updated_at DATETIME,
  PRIMARY KEY (id)
);
CREATE INDEX ix_scraping_schedules_user_id ON scraping_schedules (user_id);
CREATE INDEX ix_scraping_schedules_id ON scraping_schedules (id);

CREATE TABLE scraping_history (
  id INTEGER NOT NULL,
  user_id VARCHAR NOT NULL,
  schedule_type VARCHAR NOT NULL,
  started_at DATETIME NOT NULL,
  completed_at DATETIME,
  success BOOLEAN,
  items_processed INTEGER,
  items_added INTEGER,
  items_updated INTEGER,
  items_failed INTEGER,
  error_message TEXT,
  error_details JSON,
  duration_seconds FLOAT,
  memory_usage_mb FLOAT,
  run_metadata JSON,
  trigger_type VARCHAR,
  PRIMARY KEY (id)
);
CREATE INDEX ix_scraping_history_id ON scraping_history (id);
CREATE INDEX ix_scraping_history_user_id ON scraping_history (user_id);

CREATE TABLE scraping_statistics (
  id INTEGER NOT NULL,
  user_id VARCHAR NOT NULL,
  schedule_type VARCHAR NOT NULL,
  total_runs INTEGER,
  successful_runs INTEGER,
  failed_runs INTEGER,
  total_items_processed INTEGER,
  total_items_added INTEGER,
  total_items_updated INTEGER,
  avg_duration_seconds FLOAT,
  avg_items_per_run FLOAT,
  first_run DATETIME,
  last_successful_run DATETIME,
  last_failed_run DATETIME,
  updated_at DATETIME,
  PRIMARY KEY (id)
);
CREATE INDEX ix_scraping_statistics_user_id ON scraping_statistics (user_id);
CREATE INDEX ix_scraping_statistics_id ON scraping_statistics (id);

-- Filter stock. The other tables refer to part_number, which is why its index has to be unique.
CREATE TABLE filter_inventory (
  id VARCHAR NOT NULL,
  part_number VARCHAR NOT NULL,
  description VARCHAR,
  filter_type VARCHAR,
  series VARCHAR,
  quantity_on_hand INTEGER,
  quantity_allocated INTEGER,
  quantity_available INTEGER,
  reorder_point INTEGER,
  reorder_quantity INTEGER,
  max_stock INTEGER,
  filters_per_box INTEGER,
  boxes_on_hand FLOAT,
  cost_per_filter FLOAT,
  cost_per_box FLOAT,
  last_cost_update DATETIME,
  last_updated DATETIME,
  last_reorder_date DATETIME,
  last_inventory_check DATETIME,
  PRIMARY KEY (id)
);
CREATE UNIQUE INDEX ix_filter_inventory_part_number ON filter_inventory (part_number);

CREATE TABLE filter_allocations (
  id VARCHAR NOT NULL,
  part_number VARCHAR NOT NULL,
  work_order_id VARCHAR NOT NULL,
  quantity INTEGER NOT NULL,
  allocation_date DATETIME,
  expected_use_date DATETIME,
  status VARCHAR,
  station_name VARCHAR,
  fuel_grade VARCHAR,
  allocated_by VARCHAR,
  used_by VARCHAR,
  cancelled_by VARCHAR,
  used_at DATETIME,
  cancelled_at DATETIME,
  expires_at DATETIME,
  PRIMARY KEY (id),
  FOREIGN KEY (part_number) REFERENCES filter_inventory (part_number),
  FOREIGN KEY (allocated_by) REFERENCES users (id),
  FOREIGN KEY (used_by) REFERENCES users (id),
  FOREIGN KEY (cancelled_by) REFERENCES users (id)
);

CREATE TABLE filter_inventory_transactions (
  id VARCHAR NOT NULL,
  part_number VARCHAR NOT NULL,
  transaction_type VARCHAR NOT NULL,
  quantity INTEGER NOT NULL,
  reference_type VARCHAR,
  reference_id VARCHAR,
  notes TEXT,
  quantity_before INTEGER,
  quantity_after INTEGER,
  user_id VARCHAR,
  created_at DATETIME,
  work_order_id VARCHAR,
  station_name VARCHAR,
  visit_date DATETIME,
  unit_cost FLOAT,
  total_cost FLOAT,
  PRIMARY KEY (id),
  FOREIGN KEY (part_number) REFERENCES filter_inventory (part_number),
  FOREIGN KEY (user_id) REFERENCES users (id)
);

CREATE TABLE filter_reorder_history (
  id VARCHAR NOT NULL,
  order_number VARCHAR,
  supplier_name VARCHAR,
  order_date DATETIME,
  expected_delivery DATETIME,
  actual_delivery DATETIME,
  status VARCHAR,
  items JSON,
  subtotal FLOAT,
  tax FLOAT,
  shipping FLOAT,
  total_cost FLOAT,
  tracking_number VARCHAR,
  notes TEXT,
  ordered_by VARCHAR,
  received_by VARCHAR,
  created_at DATETIME,
  updated_at DATETIME,
  PRIMARY KEY (id),
  UNIQUE (order_number),
  FOREIGN KEY (ordered_by) REFERENCES users (id),
  FOREIGN KEY (received_by) REFERENCES users (id)
);

CREATE TABLE filter_inventory_alerts (
  id VARCHAR NOT NULL,
  alert_type VARCHAR NOT NULL,
  severity INTEGER,
  part_number VARCHAR,
  message TEXT NOT NULL,
  details JSON,
  status VARCHAR,
  acknowledged_by VARCHAR,
  resolved_by VARCHAR,
  created_at DATETIME,
  acknowledged_at DATETIME,
  resolved_at DATETIME,
  expires_at DATETIME,
  action_taken TEXT,
  related_order_id VARCHAR,
  PRIMARY KEY (id),
  FOREIGN KEY (acknowledged_by) REFERENCES users (id),
  FOREIGN KEY (resolved_by) REFERENCES users (id)
);
CREATE INDEX ix_filter_inventory_alerts_part_number ON filter_inventory_alerts (part_number);

CREATE TABLE filter_usage_patterns (
  id VARCHAR NOT NULL,
  part_number VARCHAR NOT NULL,
  period_type VARCHAR NOT NULL,
  period_date DATETIME NOT NULL,
  quantity_used INTEGER,
  work_orders_count INTEGER,
  unique_stations INTEGER,
  station_breakdown JSON,
  daily_breakdown JSON,
  average_daily_usage FLOAT,
  usage_trend VARCHAR,
  seasonality_factor FLOAT,
  days_of_supply FLOAT,
  suggested_reorder_date DATETIME,
  calculated_at DATETIME,
  PRIMARY KEY (id)
);
CREATE INDEX ix_filter_usage_patterns_part_number ON filter_usage_patterns (part_number);

-- Settings of the whole installation, and the tutorial.
CREATE TABLE global_settings (
  id INTEGER NOT NULL,
  setting_key VARCHAR(100) NOT NULL,
  setting_value JSON,
  description VARCHAR(255),
  created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  updated_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (id)
);
CREATE UNIQUE INDEX ix_global_settings_setting_key ON global_settings (setting_key);

CREATE TABLE tutorial_data (
  id INTEGER NOT NULL,
  data_type VARCHAR(100) NOT NULL,
  data JSON NOT NULL,
  description VARCHAR(255),
  created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  updated_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (id)
);
CREATE INDEX ix_tutorial_data_data_type ON tutorial_data (data_type);

-- migrate:down

DROP TABLE tutorial_data;
DROP TABLE global_settings;
DROP TABLE filter_usage_patterns;
DROP TABLE filter_inventory_alerts;
DROP TABLE filter_reorder_history;
DROP TABLE filter_inventory_transactions;
DROP TABLE filter_allocations;
DROP TABLE filter_inventory;
DROP TABLE scraping_statistics;
DROP TABLE scraping_history;
DROP TABLE scraping_schedules;
DROP TABLE user_dispenser_data;
DROP TABLE user_scraped_content;
DROP TABLE automation_jobs;
DROP TABLE dispensers;
DROP TABLE work_orders;
DROP TABLE user_completed_jobs;
DROP TABLE user_batch_history;
DROP TABLE user_change_history;
DROP TABLE user_schedule_changes;
DROP TABLE user_activities;
DROP TABLE prover_settings;
DROP TABLE user_credentials;
DROP TABLE user_preferences;
DROP TABLE user_sessions;
DROP TABLE users;
