use crate::client::Client;
use futures_lite::FutureExt;
use prometheus_rsocket_protocol::agent::PushFailure;
use std::future::Future;
use std::panic::{AssertUnwindSafe, resume_unwind};

/// Runs a job to its end, then pushes its metrics and closes the client. Returns the job's output, and the result of the push.
///
/// The metrics are pushed however the job ends: an error is an output like any other, and a panic is resumed after the push. They are not pushed if a
/// panic aborts the process (`panic = "abort"`), if something else ends the process, or if this future is dropped. To handle signals, let the job
/// itself wait for them.
///
/// The [front page](crate#batch-jobs) has an example. After the job, this takes no longer than [`Client::push_and_close`].
///
/// # Panics
///
/// If the job panics.
pub async fn run_job<J: Future>(client: Client, job: J) -> (J::Output, Result<(), PushFailure>) {
    // The job is not used after a panic.
    let output = AssertUnwindSafe(job).catch_unwind().await;
    let pushed = client.push_and_close().await;
    match output {
        Ok(output) => (output, pushed),
        Err(panic) => {
            if let Err(error) = pushed {
                tracing::error!(%error, "the job has panicked, and its last metrics are lost");
            }
            resume_unwind(panic)
        }
    }
}
