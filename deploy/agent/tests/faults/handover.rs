//! The router is told to give way to whatever binary lies there now, in the middle of a canary.

use crate::ground::{epoch, eventually, signal};
use crate::host::Host;
use crate::is_soak;
use crate::load::Load;
use crate::socket::{Socket, has_ended};
use contract::ImageConfig;
use rustix::process::Signal;

#[tokio::test]
async fn a_router_upgraded_in_place_again_and_again_in_a_canary_loses_nothing() {
    let mut host = Host::lay_out(ImageConfig::default()).await;
    let socket = Socket::start(&mut host, &[]);
    host.start_agent();
    host.bring(host.settled()).await;
    host.bring(host.canary(100, "well")).await;
    let load = Load::on(host.listen);
    let times = if is_soak() { 12 } else { 4 };
    for time in 1..=times {
        let before = host.observed().await.and_then(|seen| epoch(&seen));
        let old = socket.router();
        signal(old, Signal::USR2);
        eventually("a successor is named", || socket.find_successor(&host)).await;
        // While the old one still drains.
        host.bring(host.canary(100 + time * 50, "well")).await;
        host.sees("it is the successor that answers", |seen| epoch(seen) > before)
            .await;
        load.flows(200).await;
        eventually("the old router has ended", || has_ended(old)).await;
    }
    load.end()
        .print_unharmed(&format!("router upgraded in place {times} times in a canary"));
}
