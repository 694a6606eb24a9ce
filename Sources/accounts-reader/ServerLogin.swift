// How a database server is reached through unixODBC, and as whom.
internal import AsteriskFiles

/// A database server, and the login there that the accounts are read with.
struct ServerLogin: Equatable {
    /// What a person knows it by: a URL, or a file and a line.
    var name: String
    /// Where a DSN is named; nil without one.
    var placeOfDataSource: String?
    /// Where the login stands that the settings do not have.
    var placeOfLogin: String
    /// The parts of a connection string that name driver, server and database, such as `DSN=asterisk`.
    var parts: [String]
    /// The user; empty: whom the DSN names.
    var user = ""
    /// The password; nil: the one of the DSN.
    var password: [UInt8]?
    /// Whether it is the settings', which count after a reload alone.
    var isOfSettings = false
    /// Why it cannot be used, and what to do; nil when it can.
    var fault: String?

    /// The connection string, with these parts beside its own.
    func connectionString(with others: [String]) throws(AccountTablesError) -> [UInt8] {
        if let fault { throw .layout(fault) }
        // A part that ends early would let its rest be another one.
        let words = parts + (user.isEmpty ? [] : ["UID=\(user)"])
        guard
            words.dropFirst(parts.first?.hasPrefix("DRIVER=") == true ? 1 : 0).allSatisfy(
                Self.isPlain)
        else { throw .layout("\(name): its names hold a ; or a brace: give them others") }
        var string = Array((words + others).map { $0 + ";" }.joined().utf8)
        guard let password else { return string }
        // Drivers do not agree about how such a one is written.
        guard !password.contains(where: { $0 == 0 || $0 == UInt8(ascii: "}") }) else {
            throw .layout("the password of \(placeOfLogin) holds a }: give the login another one")
        }
        string += Array("PWD={".utf8) + password + Array("};".utf8)
        return string
    }

    /// Whether a text cannot end a part of a connection string.
    static func isPlain(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 != 0 && !";{}".utf8.contains($0) }
    }
}

extension AccountSettings {
    /// The server that they name, or nil when the URL is not `odbc://DSN`.
    var server: ServerLogin? {
        let scheme = "odbc://"
        guard url.hasPrefix(scheme) else { return nil }
        let login = ServerLogin(
            name: url, placeOfDataSource: "accounts.source", placeOfLogin: "/etc/odbc.ini",
            parts: ["DSN=\(url.dropFirst(scheme.count))"])
        return withOwnLogin(login)
    }

    /// What is wrong when the file with the password was not handed over, or has none.
    var unusableSecret: String {
        let file = secretFile.isEmpty ? "accounts.secret-file" : secretFile
        return
            "the password in \(file) cannot be used: accounts.secret-file names a file whose first line it is, and"
            + " which others may neither read nor write (chmod 600). Then type 'rempart reload'"
    }

    /// A login with the user and the password of the settings, where they have one.
    func withOwnLogin(_ login: ServerLogin) -> ServerLogin {
        var login = login
        login.isOfSettings = !user.isEmpty || !secretFile.isEmpty
        if !user.isEmpty {
            (login.user, login.password, login.placeOfLogin) = (user, nil, "accounts.user")
        }
        guard !secretFile.isEmpty else { return login }
        login.password = secret
        login.placeOfLogin = "accounts.user and \(secretFile)"
        if secret?.isEmpty ?? true {
            login.fault = unusableSecret
        }
        return login
    }
}

extension ServerLogin {
    /// That of a class of res_odbc.conf.
    init(_ odbc: ODBCClass) {
        self.init(
            name: "the database of \(odbc.place)", placeOfDataSource: "\(odbc.place)",
            placeOfLogin: "\(odbc.place)",
            parts: ["DSN=\(odbc.dataSource.text)"], user: odbc.user.text,
            password: odbc.password.isEmpty ? nil : odbc.password)
    }

    /// That of a section of res_config_mysql.conf, with what Asterisk's driver takes for what it lacks.
    init(mysql login: DatabaseLogin) {
        let server = Self.serverParts(host: login.host, port: login.port, socket: login.socket)
        self.init(login, driver: Self.mariaDB, server: server, database: "DATABASE")
    }

    /// What Debian calls the driver of MariaDB and MySQL in /etc/odbcinst.ini.
    static let mariaDB = "MariaDB Unicode"

    /// The parts that name a server of MariaDB's or MySQL's to its driver.
    static func serverParts(host: [UInt8], port: [UInt8], socket: [UInt8]) -> [String] {
        host.isEmpty || host.isSpelled("localhost")
            ? part("SOCKET", socket, "/run/mysqld/mysqld.sock")
            : part("SERVER", host) + part("PORT", port)
    }

    /// That of res_pgsql.conf, with what Asterisk's driver takes for what it lacks; libpq takes a folder for a host.
    init(pgsql login: DatabaseLogin) {
        let server =
            login.host.isEmpty
            ? Self.part("Servername", login.socket, "/tmp")
            : Self.part("Servername", login.host)
        self.init(
            login, driver: "PostgreSQL Unicode",
            server: server + Self.part("Port", login.port, "5432"), database: "Database")
    }

    private init(_ login: DatabaseLogin, driver: String, server: [String], database: String) {
        let standard = "asterisk"
        self.init(
            name: "the database of \(login.place)", placeOfLogin: "\(login.place)",
            parts: ["DRIVER={\(driver)}"] + server + Self.part(database, login.database, standard),
            user: login.user.isEmpty ? standard : login.user.text,
            password: login.password.isEmpty ? Array(standard.utf8) : login.password)
    }

    /// A part of a connection string; none without a value.
    static func part(_ key: String, _ value: [UInt8], _ standard: String = "") -> [String] {
        let text = value.isEmpty ? standard : value.text
        return text.isEmpty ? [] : ["\(key)=\(text)"]
    }
}
