#!/usr/bin/env node
// A Node function as people write it: it gets an event of S3, downloads the image, makes a smaller picture with sharp,
// and uploads it. Below the handler is the loop that Lambda's runtime for Node runs around it.

import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import sharp from 'sharp';

const s3 = new S3Client({ forcePathStyle: true });

async function handler(event) {
  for (const { s3: { bucket, object } } of event.Records) {
    const Key = decodeURIComponent(object.key.replace(/\+/g, ' '));
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket.name, Key }));
    const picture = await sharp(await Body.transformToByteArray())
      .rotate()
      .resize({ width: 1024, height: 1024, fit: 'inside', withoutEnlargement: true })
      .jpeg({ quality: 80 })
      .toBuffer();
    await s3.send(
      new PutObjectCommand({
        Bucket: process.env.DESTINATION_BUCKET,
        Key: `images/${Key}.jpeg`,
        Body: picture,
        ContentType: 'image/jpeg',
      }),
    );
  }
  return { ok: event.Records.length };
}

const api = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation`;
for (;;) {
  const next = await fetch(`${api}/next`);
  const id = next.headers.get('lambda-runtime-aws-request-id');
  let outcome;
  try {
    outcome = ['response', await handler(await next.json())];
  } catch (error) {
    outcome = ['error', { errorType: error.name, errorMessage: error.message }];
  }
  await fetch(`${api}/${id}/${outcome[0]}`, { method: 'POST', body: JSON.stringify(outcome[1]) });
}
