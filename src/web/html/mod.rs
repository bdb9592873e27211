//! Stub until the pages are merged.
#![expect(missing_docs, clippy::missing_panics_doc, reason = "stub")]
use crate::api::*;
use crate::event::CommitInfo;
pub struct Banner {
    pub level: &'static str,
    pub text: String,
    pub link: Option<(String, String)>,
}
pub struct Chrome {
    pub operator: Option<String>,
    pub banners: Vec<Banner>,
    pub now: jiff::Timestamp,
    pub path: String,
    pub version: &'static str,
}
pub struct EventLine {
    pub seq: i64,
    pub at: String,
    pub app: Option<String>,
    pub kind: String,
    pub actor: String,
    pub deploy: Option<u32>,
    pub summary: String,
    pub payload: String,
    pub hash: String,
    pub prev_hash: String,
}
pub struct EventsPage {
    pub app: Option<String>,
    pub kind: Option<String>,
    pub actor: Option<String>,
    pub lines: Vec<EventLine>,
    pub older: Option<i64>,
    pub newer: Option<i64>,
    pub kinds: Vec<&'static str>,
}
pub struct DiffLine {
    pub service: String,
    pub change: String,
    pub fields: Vec<crate::spec::Change>,
    pub hidden: bool,
}
pub struct WhyLine {
    pub app: String,
    pub at: String,
    pub sentence: String,
    pub deploy: Option<u32>,
    pub live: bool,
}
pub fn summary(fact: &crate::event::Fact) -> String {
    format!("{fact:?}")
}
pub fn overview(_: &Chrome, _: &AppsBody) -> String {
    String::new()
}
pub fn app(_: &Chrome, _: &AppPage) -> String {
    String::new()
}
pub fn deploy(_: &Chrome, _: &AppBody, _: &DeployBody, _: &[EventLine], _: &[DiffLine]) -> String {
    String::new()
}
pub fn events(_: &Chrome, _: &EventsPage) -> String {
    String::new()
}
pub fn hook(_: &Chrome, _: &AppBody, _: &HookBody, _: u64) -> String {
    String::new()
}
pub fn rollback(
    _: &Chrome,
    _: &AppBody,
    _: &PlanBody,
    _: Option<&CommitInfo>,
    _: Option<&str>,
) -> String {
    String::new()
}
pub fn destroy(_: &Chrome, _: &AppPage, _: Option<&str>) -> String {
    String::new()
}
pub fn destroyed(_: &Chrome, _: &str, _: Option<&str>, _: &[String], _: &[String]) -> String {
    String::new()
}
pub fn login(_: &Chrome, _: &str, _: Option<&str>, _: Option<&str>) -> String {
    String::new()
}
pub fn why(_: &Chrome, _: &str, _: &[WhyLine]) -> String {
    String::new()
}
pub fn problem(_: &Chrome, _: &Problem) -> String {
    String::new()
}
pub fn assets() -> &'static [(&'static str, &'static str, &'static [u8])] {
    &[]
}
