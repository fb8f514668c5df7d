//! A member as others see them beside what they made or did.

use crate::members::MemberId;
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct Author {
    pub id: MemberId,
    pub nickname: String,
}
