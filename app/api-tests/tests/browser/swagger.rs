use crate::client::Client;
use crate::page::Page;

/// Opens an operation, sends it as it is, and returns what came: the status and the body.
async fn try_out(page: &Page, operation: &str) -> (String, String) {
    let operation = format!("#operations-{operation}");
    page.click(&format!("{operation} .opblock-summary-control")).await;
    page.click(&format!("{operation} button.execute")).await;
    let answer = format!("document.querySelector('{operation} .live-responses-table tr.response");
    page.wait_for(&format!("{answer} .highlight-code') !== null")).await;
    let shown = async |part: &str| {
        let text = page.value(&format!("{answer} {part}').innerText.trim()")).await;
        text.as_str().expect("text").to_owned()
    };
    let seen = (shown(".response-col_status").await, shown(".highlight-code").await);
    page.value(&format!("document.querySelector('{operation}').scrollIntoView()"))
        .await;
    seen
}

#[tokio::test]
async fn every_operation_is_listed_and_can_be_tried_out() {
    for path in ["/swagger-ui", "/api/swagger-ui/"] {
        let page = Page::open(path).await;
        page.wait_for("document.querySelectorAll('.opblock').length >= 40")
            .await;
        let (status, body) = try_out(&page, "Operations-operations_version_for_the_site").await;
        assert_eq!(status, "200");
        assert!(body.contains("\"version\""), "{body}");
        page.keep_screenshot(&path.trim_matches('/').replace('/', "-")).await;
        assert_eq!(page.complaints().await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_member_signs_in_with_a_token_and_sees_himself() {
    let member = Client::new().new_member().await;
    let page = Page::open("/api/swagger-ui/").await;
    page.click("button.authorize").await;
    page.write(".auth-container input", &member.token).await;
    page.click(".auth-btn-wrapper button.authorize").await;
    page.click(".auth-btn-wrapper button.btn-done").await;
    let (status, body) = try_out(&page, "Members-members_me").await;
    assert_eq!(status, "200", "{body}");
    assert!(body.contains(member.nickname()), "{body}");
    page.keep_screenshot("signed-in").await;
    assert_eq!(page.complaints().await, Vec::<String>::new());
}
