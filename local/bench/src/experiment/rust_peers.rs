//! Peers in Rust. Each is a process with one thread that downloads images, reads their EXIF and uploads them.

use std::cell::RefCell;
use std::future::Future;
use std::hint::black_box;
use std::iter;
use std::time::{Instant, SystemTime};

use anyhow::{Context as _, ensure};
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::primitives::ByteStream;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use clap::{Args, ValueEnum};
use futures::{StreamExt, TryStreamExt, stream};
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::{Deserialize, Serialize};
use shared::metadata::read_whole;
use tokio::runtime::Builder;
use tokio_rustls::rustls::crypto::ring::default_provider;

use super::run::Stages;
use crate::codecs::make;
use crate::photos::{DESTINATION, SOURCE};
use local::process::{cpu_time, peak_memory};
use local::s3::{ACCESS_KEY, REGION, SECRET_KEY};

#[derive(Args, Debug)]
pub struct Options {
    peer: RustPeer,
    #[arg(long)]
    in_flight: usize,
    #[arg(long)]
    images: usize,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum RustPeer {
    /// Signed requests over HTTP, without the SDK
    Http,
    /// A plain loop over the SDK
    Sdk,
    /// The same, which also makes a picture of 1,024 pixels of each image
    Pictures,
}

/// The result that a peer prints. It does not include starting up and listing.
#[derive(Debug, Serialize, Deserialize)]
pub struct Printed {
    pub images: usize,
    pub seconds: f64,
    pub cpu_seconds: f64,
    pub peak_bytes: u64,
    /// Sums over all images, in seconds.
    #[serde(default)]
    pub stages: Stages,
}

pub async fn run(options: Options) -> anyhow::Result<()> {
    // One thread does the work. This one only waits for it, which takes no CPU time.
    let work = move || {
        Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(work(&options))
    };
    let printed = tokio::task::spawn_blocking(work).await??;
    println!("{}", serde_json::to_string(&printed)?);
    Ok(())
}

async fn work(options: &Options) -> anyhow::Result<Printed> {
    // With the SDK's own protection against stalls, which our functions replace with that of their own reader.
    let stalls = StalledStreamProtectionConfig::enabled().build();
    let sdk = Client::new(&shared::s3::loader().stalled_stream_protection(stalls).load().await);
    let keys = keys(&sdk, options.images).await?;
    match options.peer {
        RustPeer::Http => {
            let http = Http::new(options)?;
            measured(options, keys, |key| over_http(&http, key)).await
        }
        RustPeer::Sdk => measured(options, keys, |key| over_sdk(&sdk, key, false)).await,
        RustPeer::Pictures => measured(options, keys, |key| over_sdk(&sdk, key, true)).await,
    }
}

async fn keys(sdk: &Client, count: usize) -> anyhow::Result<Vec<String>> {
    let mut pages = sdk.list_objects_v2().bucket(SOURCE).into_paginator().send();
    let mut keys = Vec::new();
    while let Some(page) = pages.next().await {
        keys.extend(
            page?
                .contents
                .unwrap_or_default()
                .into_iter()
                .filter_map(|object| object.key),
        );
    }
    keys.truncate(count);
    Ok(keys)
}

/// Calls `work` for all keys, with `in_flight` of them at a time, and measures it.
async fn measured<F>(options: &Options, keys: Vec<String>, work: impl Fn(String) -> F) -> anyhow::Result<Printed>
where
    F: Future<Output = anyhow::Result<Times>>,
{
    let (count, process) = (keys.len(), std::process::id());
    let stages = RefCell::new(Stages::default());
    let (started, cpu_at_start) = (Instant::now(), cpu_time(process)?);
    stream::iter(keys.into_iter().map(work))
        .buffer_unordered(options.in_flight)
        .try_for_each(|times| {
            let mut stages = stages.borrow_mut();
            stages.download += (times.downloaded - times.start).as_secs_f64();
            stages.exif += (times.parsed - times.downloaded).as_secs_f64();
            stages.transform += (times.made - times.parsed).as_secs_f64();
            stages.upload += (times.uploaded - times.made).as_secs_f64();
            async { Ok(()) }
        })
        .await?;
    Ok(Printed {
        images: count,
        seconds: started.elapsed().as_secs_f64(),
        cpu_seconds: cpu_time(process)?.saturating_sub(cpu_at_start).as_secs_f64(),
        peak_bytes: peak_memory(process)?,
        stages: stages.into_inner(),
    })
}

/// When the work on an image began, and when each of its stages ended.
struct Times {
    start: Instant,
    downloaded: Instant,
    parsed: Instant,
    made: Instant,
    uploaded: Instant,
}

/// Makes a picture of each image if `with_picture`. No request goes on meanwhile: there is only one thread.
async fn over_sdk(s3: &Client, key: String, with_picture: bool) -> anyhow::Result<Times> {
    let start = Instant::now();
    let body = get(s3, &key).await?;
    let downloaded = Instant::now();
    black_box(read_whole(body.clone()));
    let parsed = Instant::now();
    let (output, body) = if with_picture {
        let picture = make(&body, 1_024, picture::Target::Jpeg)?;
        (format!("images/{key}.jpeg"), picture.into())
    } else {
        (format!("images/{key}"), body)
    };
    let made = Instant::now();
    put(s3, output, body).await?;
    Ok(Times {
        start,
        downloaded,
        parsed,
        made,
        uploaded: Instant::now(),
    })
}

async fn get(s3: &Client, key: &str) -> anyhow::Result<Bytes> {
    let object = s3.get_object().bucket(SOURCE).key(key).send().await?;
    Ok(object.body.collect().await?.into_bytes())
}

async fn put(s3: &Client, key: String, body: Bytes) -> anyhow::Result<()> {
    let put = s3.put_object().bucket(DESTINATION).key(key);
    put.body(ByteStream::from(body)).send().await?;
    Ok(())
}

async fn over_http(http: &Http, key: String) -> anyhow::Result<Times> {
    let start = Instant::now();
    let body = http.send("GET", &format!("{SOURCE}/{key}"), Bytes::new()).await?;
    let downloaded = Instant::now();
    black_box(read_whole(body.clone()));
    let parsed = Instant::now();
    http.send("PUT", &format!("{DESTINATION}/images/{key}"), body).await?;
    Ok(Times {
        start,
        downloaded,
        parsed,
        made: parsed,
        uploaded: Instant::now(),
    })
}

struct Http {
    client: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    endpoint: String,
    identity: Identity,
}

impl Http {
    fn new(options: &Options) -> anyhow::Result<Self> {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(default_provider())?
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Ok(Self {
            client: legacy::Client::builder(TokioExecutor::new())
                .pool_max_idle_per_host(options.in_flight)
                .build(connector),
            endpoint: std::env::var("AWS_ENDPOINT_URL_S3")?,
            identity: Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "local").into(),
        })
    }

    async fn send(&self, method: &str, path: &str, body: Bytes) -> anyhow::Result<Bytes> {
        let response = self.client.request(self.signed(method, path, body)?).await?;
        let status = response.status();
        let body = response
            .into_body()
            .collect()
            .await
            .context("the response broke off")?
            .to_bytes();
        ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
        Ok(body)
    }

    /// Signs a request without hashing its payload, as the SDK does in the processor.
    fn signed(&self, method: &str, path: &str, body: Bytes) -> anyhow::Result<Request<Full<Bytes>>> {
        let uri = format!("{}/{path}", self.endpoint);
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let parameters = v4::SigningParams::builder()
            .identity(&self.identity)
            .region(REGION)
            .name("s3")
            .time(SystemTime::now())
            .settings(settings)
            .build()?
            .into();
        let signable = SignableRequest::new(method, &uri, iter::empty(), SignableBody::UnsignedPayload)?;
        let (instructions, _) = sign(signable, &parameters)?.into_parts();
        let mut request = Request::builder().method(method).uri(&uri);
        for (name, value) in instructions.headers() {
            request = request.header(name, value);
        }
        Ok(request.body(Full::new(body))?)
    }
}
