CREATE DATABASE IF NOT EXISTS {{ lake.database }}
COMMENT 'STEDI step trainer: landing, trusted and curated tables'
