use std::process::ExitCode;

use shared::protocol::job::{Report, State};

/// How a command ended, for scripts. An error of the command itself is 1, and a wrong option is 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Done. A job that was watched has processed all its images.
    Ok = 0,
    /// The job has ended, and some images failed.
    SomeFailed = 3,
    /// The job ended early.
    Aborted = 4,
    /// The job has ended, and there was nothing to process.
    Nothing = 5,
    /// The job still runs: `status` says so, or nobody waits any longer.
    Running = 6,
}

impl Ending {
    #[must_use]
    pub fn of(report: &Report) -> Self {
        match report.state {
            State::Running => Self::Running,
            State::Aborted => Self::Aborted,
            State::Completed if report.failed > 0 => Self::SomeFailed,
            State::Completed if report.ok + report.skipped == 0 => Self::Nothing,
            State::Completed => Self::Ok,
        }
    }
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        Self::from(ending as u8)
    }
}
