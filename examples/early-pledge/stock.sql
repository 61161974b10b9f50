CREATE TABLE stock (
  item VARCHAR(32) PRIMARY KEY,
  pieces INT NOT NULL CHECK (pieces >= 0),
  cents INT NOT NULL
) ENGINE=InnoDB;

INSERT INTO stock VALUES ('teapot', 5, 1800), ('cup', 40, 350);
