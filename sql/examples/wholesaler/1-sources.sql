-- What comes from outside: the ERP's nightly files, the shop's orders, a CRM's export, two partners' price lists.
-- Nothing is read yet. :'inbox' is the folder the files arrive in.
CREATE SCHEMA erp;
CREATE SCHEMA crm;
CREATE SCHEMA shop;
CREATE SCHEMA partner;
CREATE SCHEMA stock;
CREATE SCHEMA sales;
CREATE SCHEMA ops;

CREATE CONNECTION ops.inbox TYPE local WITH (root = :'inbox');

CREATE SOURCE erp.article_files (
  sku            text NOT NULL,
  title          text NOT NULL,
  family         text,
  purchase_price numeric(10,2),
  changed_on     date NOT NULL)
FROM CONNECTION ops.inbox
FORMAT csv (header = true, delimiter = ';')
WITH (path = 'erp/articles_*.csv', settle = '0 s', poll = '1 s');

CREATE SOURCE erp.movement_files (
  movement_id bigint NOT NULL,
  sku         text NOT NULL,
  warehouse   text NOT NULL,
  quantity    int NOT NULL,
  booked_at   timestamptz NOT NULL)
FROM CONNECTION ops.inbox
FORMAT csv (header = true, delimiter = ';')
WITH (path = 'erp/movements_*.csv', settle = '0 s', poll = '1 s');

CREATE SOURCE shop.order_files (
  id         bigint NOT NULL,
  email      text PATH '$.customer.email',
  ordered_at timestamptz NOT NULL,
  changed_at timestamptz NOT NULL,
  status     text NOT NULL,
  total      numeric(12,2),
  lines      jsonb)
FROM CONNECTION ops.inbox
FORMAT ndjson
WITH (path = 'shop/orders_*.ndjson', settle = '0 s', poll = '1 s');

-- Every partner sends the same list under another name, so this is a template: typed parameters, one statement an instance.
CREATE TEMPLATE partner.price_list (conn CONNECTION, pattern text, partner text, target RELATION)
COMMENT 'Price lists of a partner: the newest price of each article and partner.'
AS $$
  CREATE SOURCE {{self}}_files (sku text NOT NULL, price numeric(10,2) NOT NULL, valid_from date NOT NULL)
  FROM CONNECTION {{conn}} FORMAT csv (header = true, delimiter = ';')
  WITH (path = {{pattern}}, settle = '0 s', poll = '1 s');

  CREATE PIPELINE {{self}}
  INTO {{target}} UPSERT KEY (partner, sku) SEQUENCE BY valid_from
    CONSTRAINT has_a_price EXPECT (price > 0)
  AS SELECT {{partner}} AS partner, sku, price, valid_from FROM STREAM({{self}}_files);
$$;
