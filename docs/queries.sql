-- Queries over the records with DuckDB. They read files below records/: copies, or the bucket itself with
-- s3://photos-out/records/*/*.ndjson.

-- The records, each with the job that wrote it.
CREATE VIEW records AS
SELECT *
FROM read_json('records/*/*.ndjson', format = 'newline_delimited', hive_partitioning = true,
               columns = {bucket: 'VARCHAR', key: 'VARCHAR', version_id: 'VARCHAR', etag: 'VARCHAR', size: 'BIGINT',
                          last_modified: 'TIMESTAMP', format: 'VARCHAR', image: 'JSON', exif: 'JSON', xmp: 'JSON',
                          iptc: 'JSON', description: 'JSON', taken: 'JSON', tags: 'JSON', omitted: 'VARCHAR[]',
                          warnings: 'VARCHAR[]'});

-- The latest record of each key.
CREATE VIEW photos AS
SELECT *, exif->>'make' AS make, exif->>'model' AS model, coalesce(taken->>'at', exif->>'taken_at') AS taken_at,
       description->>'title' AS title, CAST(description->'keywords' AS VARCHAR[]) AS keywords,
       CAST(image->'width' AS BIGINT) AS width, CAST(image->'height' AS BIGINT) AS height,
       CAST(exif->'gps'->>'latitude' AS DOUBLE) AS latitude, CAST(exif->'gps'->>'longitude' AS DOUBLE) AS longitude
FROM records
QUALIFY row_number() OVER (PARTITION BY bucket, key ORDER BY last_modified DESC, job DESC) = 1;

-- Photos by camera and year.
SELECT make, model, left(taken_at, 4) AS year, count(*) AS photos
FROM photos GROUP BY ALL ORDER BY photos DESC, year LIMIT 20;

-- The most frequent keywords.
SELECT keyword, count(*) AS photos
FROM (SELECT unnest(keywords) AS keyword FROM photos) GROUP BY ALL ORDER BY photos DESC, keyword LIMIT 20;

-- Titles and sizes of the largest pictures.
SELECT key, title, width, height FROM photos WHERE width IS NOT NULL ORDER BY width * height DESC, key LIMIT 20;

-- Photos without a position.
SELECT key, format, taken_at FROM photos WHERE latitude IS NULL ORDER BY key LIMIT 20;

-- The same bytes under several keys. (The ETag of an object that was uploaded in parts depends on the parts.)
SELECT etag, size, count(*) AS copies, min(key) AS one_of_them
FROM photos GROUP BY ALL HAVING count(*) > 1 ORDER BY copies DESC, size DESC LIMIT 20;

-- Files that are no images, and damaged images.
SELECT key, format, warnings FROM photos WHERE format = 'unknown' OR len(warnings) > 0 ORDER BY key LIMIT 20;

-- One table for many queries.
COPY photos TO 'photos.parquet' (FORMAT parquet);
