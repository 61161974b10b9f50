CREATE TABLE account (
  owner text PRIMARY KEY,
  cents bigint NOT NULL CHECK (cents >= 0)
);

INSERT INTO account VALUES ('alice', 10000), ('bob', 500);
