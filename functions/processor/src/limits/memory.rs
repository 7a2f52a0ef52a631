use std::sync::Arc;

use shared::protocol::failure::{Failure, FailureClass};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Image data may take three quarters of the function's memory, minus this for the program, its connections and the
/// records. The last quarter is for what an allocator wastes when large blocks come and go.
const PROGRAM_MB: u32 = 32;

const KIB: u64 = 1024;

/// The memory that the images in flight share. An image waits until its bytes fit. Waiting images are served in order,
/// so that small images do not keep a large one waiting forever.
#[derive(Debug)]
pub struct Memory {
    kib: u32,
    free: Arc<Semaphore>,
}

impl Memory {
    pub fn new(function_mb: u32) -> Self {
        Self::of(Self::kib(function_mb))
    }

    /// Half as much.
    pub fn half(function_mb: u32) -> Self {
        Self::of(Self::kib(function_mb) / 2)
    }

    fn kib(function_mb: u32) -> u32 {
        (function_mb / 4 * 3).saturating_sub(PROGRAM_MB).max(PROGRAM_MB / 2) * 1024
    }

    fn of(kib: u32) -> Self {
        Self {
            kib,
            free: Arc::new(Semaphore::new(kib as usize)),
        }
    }

    /// How many bytes fit when no other image holds memory.
    pub fn bytes(&self) -> u64 {
        u64::from(self.kib) * KIB
    }

    /// Whether `bytes` fit when no other image holds memory.
    pub fn fits(&self, bytes: u64) -> bool {
        bytes.div_ceil(KIB) <= u64::from(self.kib)
    }

    /// Waits until `bytes` of an image fit. An image that never fits is `too_large`.
    pub async fn hold(&self, bytes: u64) -> Result<OwnedSemaphorePermit, Failure> {
        let kib = u32::try_from(bytes.div_ceil(KIB))
            .ok()
            .filter(|&kib| kib <= self.kib)
            .ok_or_else(|| {
                let max = u64::from(self.kib) * KIB;
                Failure::new(
                    FailureClass::TooLarge,
                    format!("{bytes} bytes must be held in memory, but only {max} fit: give the function more memory"),
                )
            })?;
        Ok(self
            .free
            .clone()
            .acquire_many_owned(kib)
            .await
            .expect("the semaphore is never closed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_image_waits_for_memory_and_is_too_large_if_it_never_fits() {
        let memory = Memory::new(128);
        let max = 64 * 1024 * 1024;
        assert!(memory.fits(max) && !memory.fits(max + 1));
        let held = memory.hold(max).await.unwrap();
        let second = memory.hold(1);
        tokio::pin!(second);
        assert!(futures::poll!(&mut second).is_pending());
        drop(held);
        assert!(second.await.is_ok());
        assert_eq!(memory.hold(max + 1).await.unwrap_err().class, FailureClass::TooLarge);
    }
}
