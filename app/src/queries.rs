//! How many queries a request takes. They are counted where sqlx reports them, so that no feature can forget to.

use std::cell::Cell;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

tokio::task_local! {
    static QUERIES: Cell<u64>;
}

/// What `work` answers, and how many queries it took.
pub async fn counted<T>(work: impl Future<Output = T>) -> (T, u64) {
    let counted = async {
        let answer = work.await;
        (answer, QUERIES.with(Cell::get))
    };
    QUERIES.scope(Cell::new(0), counted).await
}

/// Does what a request did not ask for and only happens to wait for, such as opening a connection.
pub async fn uncounted<T>(work: impl Future<Output = T>) -> T {
    QUERIES.scope(Cell::new(0), work).await
}

/// The part of the log that counts queries instead of writing them.
pub fn counter<S: Subscriber + for<'a> LookupSpan<'a>>() -> impl Layer<S> {
    Counter.with_filter(filter_fn(|metadata| metadata.target() == "sqlx::query"))
}

struct Counter;

impl<S: Subscriber> Layer<S> for Counter {
    fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
        // Fails outside of a request, of which nobody asks.
        QUERIES.try_with(|queries| queries.set(queries.get() + 1)).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt as _;

    #[test]
    fn the_queries_of_a_request_are_counted_and_nothing_else() {
        let ask = || tracing::debug!(target: "sqlx::query", "SELECT 1");
        let subscriber = tracing_subscriber::registry().with(counter());
        tracing::subscriber::with_default(subscriber, || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .expect("a runtime");
            let request = async {
                ask();
                tokio::task::yield_now().await;
                uncounted(async { ask() }).await;
                ask();
                tracing::error!("something else");
                "answer"
            };
            ask();
            assert_eq!(runtime.block_on(counted(request)), ("answer", 2));
            assert_eq!(runtime.block_on(counted(async {})), ((), 0));
        });
    }
}
