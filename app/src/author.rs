//! A member as others see them beside what they made or did.

use crate::members::MemberId;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub struct Author {
    pub id: MemberId,
    pub nickname: String,
}
