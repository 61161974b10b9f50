-- The MariaDB side. InnoDB, because other engines can't undo.
CREATE TABLE account (
  owner varchar(64) PRIMARY KEY,
  cents bigint NOT NULL
) ENGINE = InnoDB;
INSERT INTO account VALUES ('alice', 0), ('bob', 0);
