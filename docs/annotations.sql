-- Queries over the annotation table of a bucket with Athena. The table belongs to S3 Metadata. The name of its namespace is
-- b_ and the name of the bucket; for photos.example.com it is b_photos_example_com.

-- Photos by camera and year.
SELECT json_extract_scalar(text_value, '$.exif.make') AS make, json_extract_scalar(text_value, '$.exif.model') AS model,
       substr(json_extract_scalar(text_value, '$.taken.at'), 1, 4) AS year, count(*) AS photos
FROM "s3tablescatalog/aws-s3"."b_photos"."annotation"
WHERE name = 'exif'
GROUP BY 1, 2, 3
ORDER BY photos DESC, year
LIMIT 100;

-- Photos without a position.
SELECT object_key, json_extract_scalar(text_value, '$.description.title') AS title,
       json_extract_scalar(text_value, '$.taken.at') AS taken_at
FROM "s3tablescatalog/aws-s3"."b_photos"."annotation"
WHERE name = 'exif' AND json_extract_scalar(text_value, '$.format') <> 'unknown'
  AND json_extract(text_value, '$.exif.gps.latitude') IS NULL
ORDER BY object_key
LIMIT 100;
