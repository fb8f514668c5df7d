//! What is asked for: the same request on both sides.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Feed,
    Post,
    Create,
    Like,
}

impl Kind {
    pub const ALL: [Kind; 4] = [Kind::Feed, Kind::Post, Kind::Create, Kind::Like];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Feed => "feed",
            Kind::Post => "post detail",
            Kind::Create => "create post",
            Kind::Like => "like",
        }
    }

    /// Its method and route, as the API counts it.
    pub fn route(self) -> (&'static str, &'static str) {
        match self {
            Kind::Feed => ("GET", "/api/feed"),
            Kind::Post => ("GET", "/api/posts/{id}"),
            Kind::Create => ("POST", "/api/posts"),
            Kind::Like => ("PUT", "/api/posts/{id}/like"),
        }
    }
}

/// One request of one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    pub kind: Kind,
    /// How many of this kind the client has sent, on either side: no like is given twice.
    pub number: u64,
}
