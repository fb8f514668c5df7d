//! What reaches a router over its admin socket: any bytes as a connection, and any bytes as the table that is put.

use contract::{RouterStatus, Table};
use router::{Clock, Control};
use std::cell::RefCell;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::{Builder, Runtime};

const PIPE_BYTES: usize = 1024 * 1024;

pub fn check(bytes: &[u8]) {
    let folder = crate::folder();
    let control = Control::start(
        &folder.path().join("router.json"),
        Clock::new("this".to_owned(), || 1_000),
    );
    let control = Arc::new(control.expect("a router"));
    block_on(async {
        let _ = say(&control, bytes).await;
        let before = control.status().await;
        let head = format!(
            "PUT /table HTTP/1.1\r\nhost: router\r\ncontent-length: {}\r\n\r\n",
            bytes.len()
        );
        let answer = say(&control, &[head.as_bytes(), bytes].concat()).await;
        let after = control.status().await;
        let taken = answer.starts_with("HTTP/1.1 200");
        if taken {
            let table: Table = serde_json::from_slice(bytes).expect("what was taken is a table");
            assert_eq!(table.flaw(), None);
            assert_eq!(after.generation, table.generation);
        } else {
            assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
            assert_eq!(after, before, "refused, and changed something");
        }
        // Whatever came, it still answers.
        let answer = say(&control, b"GET /status HTTP/1.1\r\nhost: router\r\n\r\n").await;
        let body = answer.split("\r\n\r\n").nth(1).expect("an answer with a body");
        assert_eq!(serde_json::from_str::<RouterStatus>(body).expect("a status"), after);
    });
}

async fn say(control: &Arc<Control>, bytes: &[u8]) -> String {
    let (mut ours, theirs) = tokio::io::duplex(PIPE_BYTES);
    let spoken = async {
        // A router that heard enough closes.
        let _ = ours.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = ours.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    let ((), answer) = tokio::join!(router::serve_admin(control.clone(), theirs), spoken);
    answer
}

/// On one runtime for all inputs, because threads are dear; and on a clock that jumps, because half a request is waited for.
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: RefCell<Option<Runtime>> = const { RefCell::new(None) };
    }
    RUNTIME.with_borrow_mut(|runtime| {
        let runtime = runtime.get_or_insert_with(|| {
            let mut builder = Builder::new_current_thread();
            builder.enable_all().start_paused(true).build().expect("a runtime")
        });
        runtime.block_on(work)
    })
}
