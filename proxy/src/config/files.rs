//! Checks of the files that a configuration names, without starting anything.

use super::Config;
use crate::auth::applications::Applications;
use crate::auth::live::LiveFile;
use crate::auth::scrapers::Scrapers;
use crate::ingress::bind::StartError;
use crate::proxy::{HTTP, TCP, WEBSOCKET};
use crate::store::disk::Directory;
use crate::store::keys;
use prometheus_rsocket_runtime::tls::ServerTls;

impl Config {
    /// Reads all files that the configuration names, by blocking calls, and returns what would keep a proxy from starting with them. Opens no port
    /// and creates nothing: a key file and a directory for pushes may be missing if they can be created.
    pub fn check_files(&self) -> Vec<StartError> {
        let tls = [
            (TCP, &self.tcp_tls, self.listen_tcp.is_on()),
            (WEBSOCKET, &self.websocket_tls, self.listen_websocket.is_on()),
            (HTTP, &self.http_tls, self.listen_http.is_on() || self.listen_admin.is_on()),
        ];
        let tls = tls.into_iter().filter_map(|(listener, files, is_on)| {
            let files = files.clone().filter(|_| is_on)?;
            ServerTls::load(files).err().map(|error| StartError::Tls { listener, error })
        });
        let auth = |option| move |error| StartError::Auth { option, error };
        let applications = self.auth_file.clone().and_then(|path| {
            LiveFile::load(path, Applications::parse).err().map(auth("auth-file"))
        });
        let scrapers = self.http_auth_file.clone().and_then(|path| {
            LiveFile::load(path, Scrapers::parse).err().map(auth("http-auth-file"))
        });
        let pushes = self.push_dir.as_deref().and_then(|path| {
            let error = Directory::check(path).err()?;
            Some(StartError::PushDir { path: path.to_owned(), error })
        });
        tls.chain(applications)
            .chain(scrapers)
            .chain(keys::check(self).err())
            .chain(pushes)
            .collect()
    }
}
