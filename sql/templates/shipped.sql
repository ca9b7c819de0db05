-- What a new hub brings along. SHOW CREATE TEMPLATE template.csv_to_table shows one; copy it to change it.
CREATE SCHEMA IF NOT EXISTS template;
GRANT USAGE ON SCHEMA template TO PUBLIC;

CREATE TEMPLATE IF NOT EXISTS template.csv_to_table (
  conn CONNECTION, pattern text, target RELATION, key IDENTIFIER, every interval DEFAULT '1 hour', settle interval DEFAULT '2 seconds')
COMMENT 'CSV files of a folder, each read once, into a table that keeps the last row of each key.'
AS $$
  CREATE SOURCE {{self}}_files FROM CONNECTION {{conn}} FORMAT csv (header = true) WITH (path = {{pattern}}, settle = {{settle}});
  CREATE PIPELINE {{self}} SCHEDULE EVERY {{every}}
  INTO {{target}} UPSERT KEY ({{key}}) AS SELECT * FROM STREAM({{self}}_files);
$$;

CREATE TEMPLATE IF NOT EXISTS template.csv_history (
  conn CONNECTION, pattern text, target RELATION, every interval DEFAULT '1 hour', settle interval DEFAULT '2 seconds')
COMMENT 'CSV files of a folder, each read once, every row added to a table.'
AS $$
  CREATE SOURCE {{self}}_files FROM CONNECTION {{conn}} FORMAT csv (header = true) WITH (path = {{pattern}}, settle = {{settle}});
  CREATE PIPELINE {{self}} SCHEDULE EVERY {{every}}
  INTO {{target}} APPEND AS SELECT * FROM STREAM({{self}}_files);
$$;

CREATE TEMPLATE IF NOT EXISTS template.json_to_table (
  conn CONNECTION, pattern text, target RELATION, key IDENTIFIER, every interval DEFAULT '1 hour', settle interval DEFAULT '2 seconds')
COMMENT 'JSON files of a folder, each read once, into a table that keeps the last document of each key.'
AS $$
  CREATE SOURCE {{self}}_files FROM CONNECTION {{conn}} FORMAT json WITH (path = {{pattern}}, settle = {{settle}});
  CREATE PIPELINE {{self}} SCHEDULE EVERY {{every}}
  INTO {{target}} UPSERT KEY ({{key}}) AS SELECT * FROM STREAM({{self}}_files);
$$;

CREATE TEMPLATE IF NOT EXISTS template.database_table_to_table (
  conn CONNECTION, source_table text, target RELATION, every interval DEFAULT '1 hour')
COMMENT 'A table of a database, read whole each time; readers see the old copy until the new one is complete.'
AS $$
  CREATE SOURCE {{self}}_rows FROM CONNECTION {{conn}} WITH (table = {{source_table}});
  CREATE PIPELINE {{self}} SCHEDULE EVERY {{every}}
  INTO {{target}} REPLACE AS SELECT * FROM {{self}}_rows;
$$;
