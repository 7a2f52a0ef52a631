//! Uploads through the queue, compared with uploads that each invoke the processor.
//!
//! | module | content |
//! |---|---|
//! | [`sqs`] | the queue, and how its messages become events |
//! | [`measured`] | the times and the costs of a run |

mod measured;
mod sqs;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use futures::future::try_join_all;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use indicatif::HumanCount;
use local::dataset;
use local::lambda::Reply;
use local::s3::{Headers, Latency, Object, Server};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::processors::Processors;
use crate::table::table;
use measured::Measured;
use sqs::Queue;

#[derive(Args, Debug)]
pub struct Options {
    /// Number of images that are uploaded at the same time
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    burst: u32,
    /// Number of images that are uploaded one after the other, 7 seconds apart
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    single: u32,
    /// Number of processors
    #[arg(long, default_value_t = 8)]
    processors: usize,
    /// Minimum time of each request to S3
    #[arg(long, value_parser = local::terminal::duration, default_value = "50ms")]
    latency: Duration,
}

/// The template's default for `ProcessorMemory`.
const MEMORY_MB: u32 = 1_769;

/// Longer than the window of a batch, so that each upload is alone.
const PAUSE: Duration = Duration::from_secs(7);

#[derive(Clone, Copy, Debug)]
enum Path {
    Queue,
    Direct,
}

pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    println!(
        "{} processors of {MEMORY_MB} MB; each request to S3 takes {} or more. The mode is copy, and each image has a \
         record file.",
        options.processors,
        humantime::format_duration(options.latency)
    );
    let mut rows = table([
        "uploads",
        "path",
        "until an image is done",
        "slowest",
        "Lambda time per image",
        "Lambda",
        "S3",
        "SQS",
        "logs",
        "all images done once",
    ]);
    let mut all_right = true;
    for (name, count, pause) in [
        ("one at a time", options.single, Some(PAUSE)),
        ("at the same time", options.burst, None),
    ] {
        for path in [Path::Direct, Path::Queue] {
            let measured = measure(&options, path, count, pause).await?;
            all_right &= measured.wrong.is_none();
            let name = format!("{} {name}", HumanCount(count.into()));
            let path = match path {
                Path::Queue => "queue",
                Path::Direct => "direct",
            };
            rows.add_row([vec![name, path.to_owned()], measured.cells()].concat());
        }
    }
    println!("{rows}\nCosts are for a million images, at the prices of us-east-1, without free tiers.");
    Ok(ExitCode::from(u8::from(!all_right)))
}

/// The parts of a run.
struct Uploads {
    server: Server,
    processors: Processors,
    /// When each image was uploaded, by its number.
    started: Mutex<Vec<Option<Instant>>>,
    times: Mutex<Vec<Duration>>,
    lambda: Mutex<Vec<Duration>>,
}

fn key(number: u32) -> String {
    format!("{number:06}.jpg")
}

fn event(number: u32) -> Value {
    let object = json!({"key": key(number)});
    json!({"detail-type": "Object Created", "detail": {"bucket": {"name": "photos"}, "object": object}})
}

impl Uploads {
    async fn start(options: &Options, count: u32, queue: Option<&Queue>) -> anyhow::Result<Self> {
        let server = Server::start(0).await?;
        server.store.create_bucket("photos-out");
        let photo = dataset::photo(0)?;
        for number in 0..count {
            let photo = Object::new(photo.clone().into(), Headers::default());
            server.store.load("photos", &key(number), photo);
        }
        server.faults.set_latency(Latency {
            get: options.latency,
            put: options.latency,
            ..Latency::default()
        });
        let mut environment = server.environment();
        environment.extend([
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", MEMORY_MB.to_string()),
            ("SOURCE", "s3://photos/".to_owned()),
            ("DESTINATION", "s3://photos-out/".to_owned()),
        ]);
        environment.extend(queue.map(|queue| ("AWS_ENDPOINT_URL_SQS", queue.moto.url.clone())));
        Ok(Self {
            processors: Processors::start(options.processors, &environment).await?,
            server,
            started: Mutex::new(vec![None; count as usize]),
            times: Mutex::default(),
            lambda: Mutex::default(),
        })
    }

    fn uploaded(&self, number: u32) {
        self.started.lock()[number as usize] = Some(Instant::now());
    }

    /// The image of this event is done.
    fn done(&self, event: &Value) -> anyhow::Result<()> {
        let key = event["detail"]["object"]["key"]
            .as_str()
            .context("an event has no key")?;
        let number: usize = key.trim_end_matches(".jpg").parse()?;
        let started = self.started.lock()[number].context("an image is done before its upload")?;
        self.times.lock().push(started.elapsed());
        Ok(())
    }

    /// Callers run as many of these at a time as there are processors, so an invocation does not wait for one.
    async fn invoke(&self, event: Value) -> anyhow::Result<Value> {
        let started = Instant::now();
        let reply = self.processors.run("bench", event).await;
        self.lambda.lock().push(started.elapsed());
        match reply {
            Reply::Ok(response) => Ok(response),
            other => bail!("the processor failed: {other:?}"),
        }
    }

    async fn process(&self, number: u32) -> anyhow::Result<()> {
        let event = event(number);
        self.invoke(event.clone()).await?;
        self.done(&event)
    }

    /// Sends batches of the queue to a processor, forever.
    async fn poll(&self, queue: &Queue) -> anyhow::Result<()> {
        loop {
            let messages = queue.receive_batch().await?;
            if messages.is_empty() {
                continue;
            }
            let response = self.invoke(sqs::event(&messages)).await?;
            ensure!(
                response == json!({"batchItemFailures": []}),
                "messages failed: {response}"
            );
            queue.delete(&messages).await?;
            for message in &messages {
                self.done(&serde_json::from_str(message.body().unwrap_or_default())?)?;
            }
        }
    }

    async fn until_done(&self) {
        while self.times.lock().len() < self.started.lock().len() {
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Uploads `count` images by one path: all at the same time, or with a pause between them.
async fn measure(options: &Options, path: Path, count: u32, pause: Option<Duration>) -> anyhow::Result<Measured> {
    let queue = match path {
        Path::Queue => Some(Queue::start().await?),
        Path::Direct => None,
    };
    let uploads = Uploads::start(options, count, queue.as_ref()).await?;
    let in_flight = if pause.is_some() { 1 } else { options.processors };
    if pause.is_none() {
        (0..count).for_each(|number| uploads.uploaded(number));
    }
    let upload = async |number| {
        if let Some(pause) = pause {
            sleep(pause).await;
        }
        if pause.is_some() || queue.is_some() {
            // moto accepts a burst more slowly than SQS. This time is not counted.
            uploads.uploaded(number);
        }
        match &queue {
            Some(queue) => queue.send(&event(number)).await,
            None => uploads.process(number).await,
        }
    };
    let all = stream::iter(0..count)
        .map(upload)
        .buffer_unordered(in_flight)
        .try_collect::<()>();
    match &queue {
        None => all.await?,
        Some(queue) => {
            let polling = try_join_all((0..options.processors).map(|_| uploads.poll(queue)));
            let uploading = async {
                all.await?;
                uploads.until_done().await;
                anyhow::Ok(())
            };
            tokio::select! {
                result = uploading => result?,
                result = polling => result.map(drop)?,
            }
        }
    }
    Measured::of(&uploads, queue.as_ref())
}
