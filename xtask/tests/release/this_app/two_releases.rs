//! Two releases on two hosts share one database while traffic is divided between them: what a member does at one of the
//! four, every other knows.

use super::{PHOTO, with_photo};
use crate::ask::complete;
use crate::project::{Project, eventually};
use futures_util::{SinkExt, StreamExt};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Message as Frame, client::IntoClientRequest as _};

const PASSWORD: &str = "correct horse battery";
/// One release on one host, as a user sees it whom the router keeps there.
#[derive(Clone)]
struct Place {
    router: String,
    release: String,
    bucket: u16,
    client: Client,
}

impl Place {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.router));
        request.header("cookie", self.cookie())
    }

    fn cookie(&self) -> String {
        format!("release-split={}.{}", self.release, self.bucket)
    }

    async fn get(&self, path: &str, token: &str) -> Value {
        self.told(self.request(Method::GET, path).bearer_auth(token)).await
    }

    async fn post(&self, path: &str, token: &str, body: &Value) -> Value {
        let request = self.request(Method::POST, path).json(body);
        let request = if token.is_empty() {
            request
        } else {
            request.bearer_auth(token)
        };
        self.told(request).await
    }

    /// The body of an answer that says yes.
    async fn told(&self, request: RequestBuilder) -> Value {
        let answer = request.send().await.unwrap_or_else(|error| panic!("{self}: {error:?}"));
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{self}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    async fn live(&self, token: &str) -> Live {
        let address = self.router.trim_start_matches("http://");
        let stream = TcpStream::connect(address).await.unwrap();
        let mut request = format!("ws://{address}/api/messages/live")
            .into_client_request()
            .unwrap();
        request.headers_mut().insert("cookie", self.cookie().parse().unwrap());
        let (socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
        let mut live = Live(socket);
        let hello = json!({ "token": token, "cursor": null });
        live.0.send(Frame::text(hello.to_string())).await.unwrap();
        assert_eq!(live.next().await["type"], "ready");
        live
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}", self.release, self.router)
    }
}

struct Live(WebSocketStream<TcpStream>);

impl Live {
    async fn next(&mut self) -> Value {
        loop {
            let frame = tokio::time::timeout(Duration::from_secs(10), self.0.next()).await;
            match frame.expect("a frame in time").expect("a frame").unwrap() {
                Frame::Text(text) => return serde_json::from_str(&text).unwrap(),
                Frame::Ping(_) | Frame::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Both releases on both hosts, once half of the traffic is the candidate's.
fn places(project: &Project, stable: &str, is_over: impl Fn() -> bool) -> Vec<Place> {
    let routers = project.routers();
    let version = |router: &str, bucket: u16| {
        complete(async {
            let client = Client::builder().no_proxy().build().unwrap();
            let cookie = format!("release-split={stable}.{bucket}");
            let request = client.get(format!("{router}/version")).header("cookie", cookie);
            let version: Value = request.send().await.unwrap().json().await.unwrap();
            version["release"].as_str().unwrap().to_owned()
        })
    };
    // Bucket 499 is the candidate's from 50 % on.
    // It is compiled and tested before, on a machine that carries a load meanwhile.
    eventually(
        "half of the traffic is the candidate's",
        Duration::from_secs(1_200),
        || {
            assert!(!is_over(), "the release is over, and never had half of the traffic");
            routers.iter().all(|router| version(router, 499) != stable)
        },
    );
    let client = Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(20))
        .build()
        .unwrap();
    let mut places = Vec::new();
    for router in &routers {
        for bucket in [999, 0] {
            places.push(Place {
                release: version(router, bucket),
                router: router.clone(),
                bucket,
                client: client.clone(),
            });
        }
    }
    places
}

/// A member signed up at one place and in at the next; every place knows the token, and its session goes on from place
/// to place.
async fn members(places: &[Place]) -> Vec<(u64, String)> {
    let mut made = Vec::new();
    for turn in 0..places.len() {
        let place = |step: usize| &places[(turn + step) % places.len()];
        let name = format!("two{:016x}", rand::random::<u64>());
        let sign_up = json!({
            "email": format!("{name}@example.com"), "real_name": "두 배포", "nickname": name, "password": PASSWORD,
        });
        let id = place(0).post("/api/members", "", &sign_up).await["id"]
            .as_u64()
            .unwrap();
        let sign_in = json!({ "name": name, "password": PASSWORD });
        let mut session = place(1).post("/api/sessions", "", &sign_in).await;
        for step in 0..places.len() {
            let refresh = json!({ "refresh_token": session["refresh_token"] });
            session = place(step).post("/api/sessions/refresh", "", &refresh).await;
            let token = session["access_token"].as_str().unwrap();
            assert_eq!(place(step + 1).get("/api/me", token).await["id"], id);
        }
        made.push((id, session["access_token"].as_str().unwrap().to_owned()));
    }
    made
}

/// A photo sent to one place, posted at the next, is in the feed at the third and read at the fourth.
async fn uploads_and_feeds(places: &[Place], members: &[(u64, String)]) {
    for turn in 0..places.len() {
        let place = |step: usize| &places[(turn + step) % places.len()];
        let ((author, token), (_, fan)) = (&members[turn], &members[(turn + 1) % members.len()]);
        let upload = place(0).request(Method::POST, "/api/media").bearer_auth(token);
        let media = place(0).told(with_photo(upload)).await;
        let post = json!({ "text": format!("빨강 {turn}"), "photos": [media["id"]] });
        let post = place(1).post("/api/posts", token, &post).await;
        let follow = place(2).request(Method::PUT, &format!("/api/members/{author}/follow"));
        place(2).told(follow.bearer_auth(fan)).await;
        let feed = place(2).get("/api/feed", fan).await;
        let found = feed["posts"]
            .as_array()
            .unwrap()
            .iter()
            .find(|found| found["id"] == post["id"]);
        let photo = found.unwrap_or_else(|| panic!("no post {} in {feed}", post["id"]))["photos"][0].clone();
        let read = place(3)
            .request(Method::GET, photo["url"].as_str().unwrap())
            .send()
            .await
            .unwrap();
        assert_eq!((read.status().as_u16(), &read.bytes().await.unwrap()[..]), (200, PHOTO));
    }
}

/// Each of the first two members is connected at every place; whatever is said anywhere arrives at each of them within a
/// second, once and in order.
async fn messages(places: &[Place], members: &[(u64, String)]) -> Duration {
    let ((_, one), (other_id, other)) = (&members[0], &members[1]);
    let mut listeners = Vec::new();
    for place in places {
        listeners.push(place.live(one).await);
        listeners.push(place.live(other).await);
    }
    let room = places[0]
        .post("/api/rooms", one, &json!({ "member_id": other_id }))
        .await;
    let mut longest = Duration::ZERO;
    for number in 0..3 * places.len() {
        let place = &places[number % places.len()];
        let (path, body) = (
            format!("/api/rooms/{}/messages", room["id"]),
            json!({ "text": format!("{number}") }),
        );
        let sent = place
            .post(&path, if number % 2 == 0 { one } else { other }, &body)
            .await;
        let answered = Instant::now();
        for live in &mut listeners {
            assert_eq!(live.next().await["message"], sent);
        }
        longest = longest.max(answered.elapsed());
    }
    assert!(longest < Duration::from_secs(1), "a message took {longest:?}");
    longest
}

/// Call it while a release is on its way to half of the traffic, where it must stay for a while.
pub fn work_together(project: &Project, stable: &str, is_over: impl Fn() -> bool) {
    let places = places(project, stable, is_over);
    let longest = complete(async {
        let members = members(&places).await;
        uploads_and_feeds(&places, &members).await;
        messages(&places, &members).await
    });
    // The four are still what they were thought to be.
    let candidate = &places[1].release;
    assert_ne!(candidate, stable);
    for place in &places {
        let version = complete(place.get("/version", ""));
        assert_eq!(version["release"], place.release.as_str(), "{place}");
        assert!([stable, candidate].contains(&place.release.as_str()), "{place}");
    }
    println!("both releases on both hosts: the slowest message took {longest:?}");
}
