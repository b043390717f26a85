//! Unpacks the two files of Swagger UI that the API page is made of, so that they become part of the program.

use std::error::Error;
use std::io::Cursor;
use std::path::Path;
use std::{env, fs, io};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let out = env::var("OUT_DIR")?;
    let mut archive = zip::ZipArchive::new(Cursor::new(utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED))?;
    let names = archive
        .file_names()
        .map(|name| name.map(std::borrow::Cow::into_owned))
        .collect::<Result<Vec<String>, _>>()?;
    for wanted in ["swagger-ui.css", "swagger-ui-bundle.js"] {
        let end = format!("/dist/{wanted}");
        let name = names
            .iter()
            .find(|name| name.ends_with(&end) && name.matches('/').count() == 2)
            .ok_or_else(|| format!("the archive holds no {wanted}"))?;
        let mut file = fs::File::create(Path::new(&out).join(wanted))?;
        io::copy(&mut archive.by_name(name)?, &mut file)?;
    }
    Ok(())
}
