internal import Spawning

/// Where the other programs of Rempart are.
enum ProgramFolders {
    /// The folders that may have them: that of this program, and where `make install` puts them.
    static func all() throws(StartFailure) -> [String] {
        let own = try Spawner().folder
        return [own, "\(own)/../libexec/rempart"]
    }
}
