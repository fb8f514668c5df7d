//! The mail that welcomes a new member.

use crate::app::App;
use crate::mail::{self, Letter};
use crate::names::{Email, RealName};
use sqlx::mysql::MySqlConnection;

/// To be called with the transaction that makes the member: no member without the mail, and no mail without the member.
pub async fn enqueue(transaction: &mut MySqlConnection, app: &App, to: &Email, to_name: &RealName) -> sqlx::Result<()> {
    let name = to_name.as_str();
    let letter = Letter {
        to,
        to_name,
        subject: format!("{name}님, 환영합니다"),
        text: format!(
            "{name}님, 안녕하세요.\n\n가입해 주셔서 고맙습니다. 이제 사진을 올리고 친구를 팔로우해 보세요.\n\n\
             Welcome, {name}. Post your first photo and follow your friends.\n"
        ),
    };
    mail::enqueue(transaction, app, &letter).await
}
