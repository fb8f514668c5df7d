//! The line between a host and its database, which a test can cut and mend.

use crate::database::Database;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// As when the server was killed: what is connected is reset, and nobody listens.
    Cut,
    /// As when its machine has died, or the network between: nothing is answered, not even that it is gone.
    Silent,
}

pub struct Line {
    pub url: String,
    state: Arc<watch::Sender<State>>,
    listening: JoinHandle<()>,
}

impl Line {
    pub async fn to(database: &Database) -> Line {
        let (scheme, rest) = database.url.split_once("://").expect("a database address");
        let (user, rest) = rest.rsplit_once('@').expect("a user");
        let (server, name) = rest.split_once('/').expect("a database");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(watch::Sender::new(State::Open));
        Line {
            url: format!("{scheme}://{user}@{address}/{name}"),
            state: state.clone(),
            listening: tokio::spawn(listen(listener, address, server.to_owned(), state)),
        }
    }

    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    pub fn silence(&self) {
        self.state.send_replace(State::Silent);
    }

    /// For new connections: those that were cut or silenced stay so.
    pub fn mend(&self) {
        self.state.send_replace(State::Open);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(listener: TcpListener, address: SocketAddr, server: String, state: Arc<watch::Sender<State>>) {
    let (mut listener, mut now) = (Some(listener), state.subscribe());
    loop {
        if *now.borrow_and_update() == State::Cut {
            listener = None;
            now.changed().await.ok();
            continue;
        }
        if listener.is_none() {
            listener = Some(TcpListener::bind(address).await.expect("its old port"));
        }
        let Some(open) = &listener else { continue };
        tokio::select! {
            accepted = open.accept() => {
                let (client, _) = accepted.expect("a client");
                tokio::spawn(carry(client, server.clone(), state.subscribe()));
            }
            _ = now.changed() => {}
        }
    }
}

async fn carry(mut client: TcpStream, server: String, mut state: watch::Receiver<State>) {
    if *state.borrow_and_update() == State::Open {
        let mut server = TcpStream::connect(server).await.expect("the database");
        tokio::select! {
            _ = copy_bidirectional(&mut client, &mut server) => return,
            _ = state.changed() => {}
        }
    }
    if *state.borrow() == State::Silent {
        // Until the test ends.
        std::future::pending::<()>().await;
    }
}
