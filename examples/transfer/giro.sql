-- The PostgreSQL side.
CREATE TABLE account (
  owner text PRIMARY KEY,
  cents bigint NOT NULL
);
INSERT INTO account VALUES ('alice', 10000), ('bob', 500);
