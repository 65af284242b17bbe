//! The pages of the clouds, and the table in the README, are those that the descriptions give.

#[path = "../examples/cloud_pages.rs"]
#[expect(dead_code, reason = "the example's own main")]
mod cloud_pages;

#[test]
fn the_committed_pages_are_current() {
    let root = cloud_pages::root();
    let mut stale: Vec<String> = Vec::new();
    for (path, page) in cloud_pages::pages(&root).unwrap() {
        if std::fs::read_to_string(root.join(&path)).ok().as_deref() != Some(page.as_str()) {
            stale.push(path.display().to_string());
        }
    }
    stale.extend(cloud_pages::strays(&root).unwrap().iter().map(|path| path.display().to_string()));
    assert!(
        stale.is_empty(),
        "not up to date: {}; run `cargo run -p imds --example cloud_pages`",
        stale.join(", ")
    );
}

#[test]
fn every_page_says_how_its_cloud_is_found_and_read() {
    for cloud in imds::clouds().iter().chain(&imds::nodes()) {
        let page = cloud.page();
        assert!(page.starts_with(&format!("# {} (`{}`)\n", cloud.title, cloud.name)), "{page}");
        assert!(page.contains("\n## How it is found\n"), "{page}");
        for field in &cloud.fields {
            assert!(page.contains(&format!("\n| `{field}` | ")), "{}: {field}\n{page}", cloud.name);
        }
        // A table whose rows differ in length isn't one.
        for table in page.split("\n\n").filter(|block| block.starts_with('|')) {
            let cells = |row: &str| row.replace("\\|", "").matches('|').count();
            let widths: std::collections::BTreeSet<usize> = table.lines().map(cells).collect();
            assert_eq!(widths.len(), 1, "{}:\n{table}", cloud.name);
        }
        assert!(!page.contains("\n\n\n"), "{}: {page}", cloud.name);
    }
}
