use std::future::pending;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::MAX_IN_FLIGHT;
use super::slots::{Slot, Slots};

/// Limits how many images are ahead of the CPU threads: those that are being downloaded, and those that wait for a
/// thread. There are as many as keep the threads busy, and few more. More would take memory, and their downloads would
/// slow down what is needed sooner. Small images do neither, so a [few megabytes](FREE_KIB) may always be ahead.
///
/// Each image that was downloaded may change the number of larger images:
/// - A thread has nothing else to do: one more image may be ahead. So the number doubles with each latency of S3 until
///   the threads are busy, as in TCP's slow start.
/// - More images wait for a thread than are needed: one image less may be ahead.
#[derive(Debug)]
pub struct Ahead {
    slots: Slots,
    /// In KiB.
    free: Semaphore,
    min: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: usize,
    /// Images that are downloaded and wait for a thread.
    waiting: usize,
}

/// How many images may be ahead for each thread: at first, and at least.
const START: usize = 4;
const MIN: usize = 2;

/// How many KiB of images may be ahead for each thread without a slot.
const FREE_KIB: u32 = 8 * 1024;

impl Ahead {
    pub fn new(threads: usize) -> Self {
        let limit = threads * START;
        Self {
            slots: Slots::new(limit),
            min: threads * MIN,
            free: Semaphore::new(threads * FREE_KIB as usize),
            state: Mutex::new(State { limit, waiting: 0 }),
        }
    }

    /// Waits until an image of `bytes` may be downloaded.
    pub async fn place(&self, bytes: u64) -> Place<'_> {
        let kib = u32::try_from(bytes.div_ceil(1024)).ok().filter(|&kib| kib <= FREE_KIB);
        let free = async {
            match kib {
                Some(kib) => self.free.acquire_many(kib).await.expect("it is never closed"),
                None => pending().await,
            }
        };
        let held = tokio::select! {
            biased;
            permit = free => Held::Free { _kib: permit },
            slot = self.slots.take() => Held::Slot { _slot: slot },
        };
        Place {
            _held: held,
            ahead: self,
            waits: false,
        }
    }

    /// An image was downloaded.
    fn adjust(&self, thread_is_free: bool) {
        let mut state = self.state.lock();
        state.waiting += 1;
        // Two images, because downloads take different times, and half of all, because those of small images come in
        // groups.
        let needed = 2 + state.limit / 2;
        if thread_is_free {
            state.limit = (state.limit + 1).min(MAX_IN_FLIGHT);
        } else if state.waiting > needed {
            state.limit = (state.limit - 1).max(self.min);
        }
        self.slots.resize(state.limit);
    }
}

/// The place of an image that is ahead, until it is dropped.
#[derive(Debug)]
pub struct Place<'a> {
    _held: Held<'a>,
    ahead: &'a Ahead,
    waits: bool,
}

#[derive(Debug)]
enum Held<'a> {
    Free { _kib: SemaphorePermit<'a> },
    Slot { _slot: Slot },
}

impl Place<'_> {
    /// The image was downloaded, and waits for a CPU thread from now on.
    pub fn downloaded(&mut self, thread_is_free: bool) {
        self.waits = true;
        self.ahead.adjust(thread_is_free);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.ahead.state.lock().waiting -= usize::from(self.waits);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use futures::{StreamExt, stream};
    use tokio::time::{Instant, sleep};

    use super::*;

    const LATENCY: Duration = Duration::from_millis(100);

    const LARGE: u64 = FREE_KIB as u64 * 1024;

    /// Runs many images through one thread in simulated time. Returns the part of the time in which the thread worked,
    /// and the most images that were ahead in the second half.
    async fn run(ahead: &Ahead, bytes: u64, work: Duration) -> (f64, usize) {
        const IMAGES: u32 = 4_000;
        let turns = Semaphore::new(2);
        let thread = Semaphore::new(1);
        let started = Instant::now();
        let (count, most) = (Cell::new(0), Cell::new(0));
        let image = async |number: u32| {
            let mut place = ahead.place(bytes).await;
            count.set(count.get() + 1);
            most.set(most.get().max(count.get()));
            // From half of the latency to twice as much.
            sleep(LATENCY * (1 + number * 7919 % 4) / 2).await;
            place.downloaded(turns.available_permits() > 0);
            let _turn = turns.acquire().await.unwrap();
            drop(place);
            count.set(count.get() - 1);
            let _thread = thread.acquire().await.unwrap();
            sleep(work).await;
            if number == IMAGES / 2 {
                most.set(0);
            }
        };
        stream::iter(0..IMAGES)
            .map(image)
            .buffer_unordered(MAX_IN_FLIGHT)
            .collect::<Vec<_>>()
            .await;
        (
            (work * IMAGES).as_secs_f64() / started.elapsed().as_secs_f64(),
            most.get(),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn it_finds_what_keeps_a_thread_busy() {
        // By Little's law, as many images must be ahead as are made in one latency.
        for (work, needed) in [(400, 1), (40, 3), (10, 13), (2, 63)] {
            let (busy, most) = run(&Ahead::new(1), LARGE, Duration::from_millis(work)).await;
            assert!(busy > 0.9, "{work} ms: {busy}");
            assert!(most <= 4 + 2 * needed, "{work} ms: {most}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_follows_a_change() {
        let ahead = Ahead::new(1);
        run(&ahead, LARGE, Duration::from_millis(2)).await;
        let (_, most) = run(&ahead, LARGE, Duration::from_millis(40)).await;
        assert!(most <= 10, "{most}");
    }

    #[tokio::test(start_paused = true)]
    async fn small_images_are_downloaded_at_once() {
        let ahead = Ahead::new(1);
        let (busy, most) = run(&ahead, 18 * 1024, Duration::from_millis(2)).await;
        assert!(busy > 0.95, "{busy}");
        assert!((400..=600).contains(&most), "{most}");
    }
}
