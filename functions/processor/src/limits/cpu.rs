//! Threads for work that takes CPU time, beside the thread that waits for S3.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread;

use lambda_runtime::tracing::warn;
use parking_lot::Mutex;
use rustix::process::setpriority_process;
use shared::bottleneck::cpu_threads;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::ahead::{Ahead, Place};

/// How many pieces of work are ready for each thread, so that it never waits for the other thread.
const READY: usize = 1;

/// The nice value of the threads. The thread that talks to S3 works for moments only, and must not wait for a picture
/// then: on one vCPU, its requests would take longer.
const NICE: i32 = 10;

type Work = Box<dyn FnOnce() + Send>;

/// The threads start with the first work.
#[derive(Debug)]
pub struct CpuThreads {
    count: usize,
    /// For the images that are downloaded before a thread takes them.
    ahead: Ahead,
    /// For the work that is running, and the work that is ready.
    turns: Arc<Semaphore>,
    queue: OnceLock<Sender<Work>>,
    /// Without threads, the caller does the work.
    has_threads: bool,
}

impl CpuThreads {
    pub fn new(function_mb: u32) -> Self {
        let count = cpu_threads(function_mb);
        Self {
            count,
            ahead: Ahead::new(count),
            turns: Arc::new(Semaphore::new(count * (1 + READY))),
            queue: OnceLock::new(),
            has_threads: true,
        }
    }

    /// No threads: the work is done where it is asked for. A simulation can repeat a run only on one thread.
    pub fn none(function_mb: u32) -> Self {
        Self {
            has_threads: false,
            ..Self::new(function_mb)
        }
    }

    pub fn count(&self) -> usize {
        self.count
    }

    /// Waits until an image of `bytes` should be downloaded, so that the threads have enough to do.
    pub async fn place(&self, bytes: u64) -> Place<'_> {
        self.ahead.place(bytes).await
    }

    /// Waits until a thread is free, or soon will be, for an image that was downloaded. Work that was not started can
    /// still be given up here.
    pub async fn turn(&self, mut place: Place<'_>) -> OwnedSemaphorePermit {
        place.downloaded(self.turns.available_permits() > 0);
        let turn = self.turns.clone().acquire_owned().await;
        turn.expect("the semaphore is never closed")
    }

    /// Runs work on one of the threads. A panic of the work continues in the caller.
    ///
    /// If the caller is dropped, the work still runs to its end, because no thread can be stopped. It keeps its turn
    /// and what it holds until then.
    pub async fn run<T: Send + 'static>(
        &self,
        turn: OwnedSemaphorePermit,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let (sender, receiver) = oneshot::channel();
        let work: Work = Box::new(move || {
            let result = catch_unwind(AssertUnwindSafe(work));
            drop(turn);
            // Nobody waits for the result of work that was given up.
            let _ = sender.send(result);
        });
        if self.has_threads {
            let queue = self.queue.get_or_init(|| start(self.count));
            queue.send(work).expect("the threads never end");
        } else {
            work();
        }
        match receiver.await.expect("the work always sends its result") {
            Ok(result) => result,
            Err(panic) => resume_unwind(panic),
        }
    }
}

fn start(count: usize) -> Sender<Work> {
    let (sender, receiver) = channel::<Work>();
    let receiver = Arc::new(Mutex::new(receiver));
    for number in 0..count {
        let receiver = receiver.clone();
        thread::Builder::new()
            .name(format!("cpu-{number}"))
            .spawn(move || serve(&receiver))
            .expect("a thread can be started");
    }
    sender
}

fn serve(queue: &Mutex<Receiver<Work>>) {
    // On Linux, this is about the calling thread alone.
    if let Err(error) = setpriority_process(None, NICE) {
        warn!(%error, "the CPU threads keep the priority of the thread that talks to S3");
    }
    loop {
        // The lock is held while this thread waits for work, and no longer.
        let work = queue.lock().recv();
        match work {
            Ok(work) => work(),
            // The process ends.
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::process::getpriority_process;

    use super::*;

    #[test]
    fn there_is_a_thread_for_each_whole_vcpu() {
        for (memory, count) in [(128, 1), (1769, 1), (3537, 1), (3538, 2), (10_240, 5)] {
            assert_eq!(CpuThreads::new(memory).count(), count, "{memory}");
        }
    }

    #[tokio::test]
    async fn work_runs_beside_the_caller_and_a_panic_stays_with_it() {
        let threads = Arc::new(CpuThreads::new(128));
        let here = thread::current().id();
        let nice = || getpriority_process(None).unwrap();
        let turn = threads.turn(threads.place(1).await).await;
        let (there, nice_there) = threads.run(turn, move || (thread::current().id(), nice())).await;
        assert_ne!(here, there);
        assert_eq!((nice(), nice_there), (0, NICE));
        let panicking = tokio::spawn({
            let threads = threads.clone();
            async move {
                let turn = threads.turn(threads.place(1).await).await;
                threads.run(turn, || panic!("out of range")).await
            }
        });
        assert!(panicking.await.unwrap_err().is_panic());
        let turn = threads.turn(threads.place(1).await).await;
        assert_eq!(threads.run(turn, || 5).await, 5);
    }

    #[tokio::test]
    async fn work_that_was_given_up_keeps_its_turn_until_it_ends() {
        let threads = CpuThreads::new(128);
        let (end, ended) = channel::<()>();
        let turn = threads.turn(threads.place(1).await).await;
        let work = threads.run(turn, move || ended.recv());
        assert!(tokio::time::timeout(Duration::from_millis(10), work).await.is_err());
        let second = threads.turn(threads.place(1).await).await;
        let third = threads.turn(threads.place(1).await);
        tokio::pin!(third);
        assert!(futures::poll!(&mut third).is_pending());
        end.send(()).unwrap();
        drop((third.await, second));
    }
}
