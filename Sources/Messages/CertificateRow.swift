package import Sys
internal import Wire

/// A certificate of the settings as `rempart status` shows it.
package struct CertificateRow: Equatable, Sendable {
    /// The names that it is for, the first 32; empty while none of this place can be used.
    package var names: [String]
    /// The path of its file.
    package var file: String
    /// What kind of key it has: "RSA, 2048 bits"; empty while none can be used.
    package var key: String
    /// When it ends, since 1970; 0 while none can be used.
    package var until: Milliseconds
    /// Why the newest files are not in use, one line; empty when they are.
    package var unused: String

    /// How many names are shown.
    package static let mostNames = 32

    /// A row of its columns.
    package init(
        names: [String], file: String, key: String, until: Milliseconds, unused: String
    ) {
        self.names = names
        self.file = file
        self.key = key
        self.until = until
        self.unused = unused
    }

    /// Writes the columns.
    func write(to writer: inout WireWriter) {
        let names = names.prefix(Self.mostNames)
        writer.u8(UInt8(names.count))
        for name in names { writer.string(name, cutTo: 255) }
        writer.string(file, cutTo: 4096)
        writer.string(key, cutTo: 64)
        writer.moment(until)
        writer.string(unused, cutTo: 800)
    }

    /// Reads the columns.
    init(from reader: inout WireReader) throws(WireError) {
        let count = try reader.u8()
        guard count <= Self.mostNames else { throw .badValue("names") }
        names = []
        for _ in 0..<count { names.append(try reader.string("name", limit: 255)) }
        file = try reader.string("file", limit: 4096)
        key = try reader.string("key", limit: 64)
        until = try reader.moment("until")
        unused = try reader.string("unused", limit: 800)
    }
}

/// The two paths of a certificate of the settings.
package struct CertificatePaths: Equatable, Sendable {
    /// The path of the chain; empty when only a key was given.
    package let certificate: String
    /// The path of the key; empty when only a certificate was given.
    package let key: String

    /// The pairs of some settings, the default first.
    package static func of(_ settings: [TerminatorSetting]) -> [CertificatePaths] {
        var certificates: [String] = []
        var keys: [String] = []
        for setting in settings {
            switch setting {
            case .certificate(let path): certificates.append(path)
            case .key(let path): keys.append(path)
            }
        }
        return (0..<max(certificates.count, keys.count)).map { place in
            CertificatePaths(
                certificate: place < certificates.count ? certificates[place] : "",
                key: place < keys.count ? keys[place] : "")
        }
    }

    /// For each of these the place in an earlier list whose pair it goes on with while its own
    /// cannot be used.
    ///
    /// It is that of the same certificate, else its own place if that one's path is gone.
    package static func predecessors(
        of new: [CertificatePaths], in old: [CertificatePaths]
    ) -> [Int?] {
        let wanted = Set(new.map(\.certificate))
        return new.indices.map { place in
            if let same = old.firstIndex(where: { $0.certificate == new[place].certificate }) {
                return same
            }
            guard place < old.count, !wanted.contains(old[place].certificate) else { return nil }
            return place
        }
    }

    /// The key of the settings that a place's certificates stand under: "tls", or "tls.certificates[2]" where
    /// there are several.
    package static func group(_ place: Int, of count: Int) -> String {
        count > 1 ? "tls.certificates[\(place + 1)]" : "tls"
    }
}
