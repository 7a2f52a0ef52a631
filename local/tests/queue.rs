//! Uploads that come through a queue, to a processor that runs as a process.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::time::Duration;

use local::dataset;
use local::queue::Queue;
use local::runtime::Function;
use local::s3::{Effect, Fault, Headers, Object, Server};
use local::workspace::{Profile, binary, build_functions};
use serde_json::{Value, json};
use tokio::time::sleep;

/// Much longer than these tests take, even on a busy machine.
const LIFETIME: Duration = Duration::from_mins(10);

const BATCH: usize = 100;

fn key(number: usize) -> String {
    format!("{number:03}.jpg")
}

fn event(number: usize) -> Value {
    let object = json!({"key": key(number)});
    json!({"detail-type": "Object Created", "detail": {"bucket": {"name": "photos"}, "object": object}})
}

/// An S3 server with photos, and a queue with the processor that its messages go to.
struct Uploads {
    server: Server,
    queue: Queue,
    environment: Vec<(&'static str, String)>,
}

impl Uploads {
    async fn new(max_receive_count: u32) -> Self {
        let (server, queue) = (
            Server::start(0).await.unwrap(),
            Queue::start(max_receive_count).await.unwrap(),
        );
        server.store.create_bucket("photos-out");
        let photo = dataset::photo(0).unwrap();
        for number in 0..BATCH {
            let photo = Object::new(photo.clone().into(), Headers::default());
            server.store.load("photos", &key(number), photo);
        }
        build_functions(Profile::Dev).await.unwrap();
        let mut environment = server.environment();
        environment.extend([
            ("AWS_ENDPOINT_URL_SQS", queue.url()),
            ("DESTINATION", "s3://photos-out/".to_owned()),
            // An image that hangs must not fail before the process is killed.
            ("IMAGE_TIMEOUT_SECONDS", "600".to_owned()),
        ]);
        Self {
            server,
            queue,
            environment,
        }
    }

    async fn processor(&self) -> Function {
        let (binary, log) = (binary(Profile::Dev, "processor"), tempfile::tempfile().unwrap());
        Function::start(&binary, &self.environment, log).await.unwrap()
    }

    /// Kills the processor whenever it reads this object.
    fn make_deadly(&self, key: String) {
        self.server.faults.add(Fault {
            operation: "GetObject",
            key_contains: key,
            effect: Effect::Hang,
            after: 0,
            times: usize::MAX,
        });
    }

    /// Sends the messages to the processor in batches, until there is none left.
    async fn work(&self, batch_size: usize) {
        let mut processor = self.processor().await;
        while let Some(batch) = self.queue.receive(batch_size) {
            let hung = self.server.faults.injected().hang;
            let dies = async {
                while self.server.faults.injected().hang == hung {
                    sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::select! {
                response = processor.invoke("r", batch, LIFETIME) => self.queue.responded(&response.unwrap().unwrap()),
                () = dies => {
                    processor.kill().unwrap();
                    processor.ended().await.unwrap();
                    processor = self.processor().await;
                }
            }
            self.queue.end_visibility_timeout();
        }
    }

    fn written(&self) -> Vec<String> {
        self.server.store.keys("photos-out", "images/")
    }
}

#[tokio::test]
async fn an_image_that_kills_the_process_takes_no_other_with_it() {
    let uploads = Uploads::new(5).await;
    for number in 0..BATCH {
        uploads.queue.send(&event(number));
    }
    uploads.make_deadly(key(41));
    uploads.work(BATCH).await;
    assert_eq!(uploads.queue.dead_letters(), [event(41).to_string()]);
    let expected = (0..BATCH)
        .filter(|number| *number != 41)
        .map(|number| format!("images/{}", key(number)));
    assert_eq!(uploads.written(), expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn failed_events_are_processed_as_they_are_and_those_that_fail_again_are_parked() {
    let uploads = Uploads::new(3).await;
    let deadly = event(3);
    let unreadable = json!({"hello": "world"});
    for message in [
        &event(1),
        // From the failure destination of an asynchronous invocation.
        &json!({"version": "1.0", "requestContext": {"condition": "RetriesExhausted"}, "requestPayload": event(2)}),
        &deadly,
        &unreadable,
    ] {
        uploads.queue.send(message);
    }
    uploads.make_deadly(key(3));
    uploads.work(1).await;
    assert_eq!(
        uploads.written(),
        [format!("images/{}", key(1)), format!("images/{}", key(2))]
    );
    assert_eq!(
        uploads.queue.dead_letters(),
        [deadly.to_string(), unreadable.to_string()]
    );
}
