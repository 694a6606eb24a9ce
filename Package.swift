// swift-tools-version: 6.2
import PackageDescription

/// The rules every target is built by; see ARCHITECTURE.md, "Building".
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableExperimentalFeature("Lifetimes"),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// A library target that never leaves this package.
func library(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

/// A process: the executable target of that name.
func process(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

/// What every room of the core may use.
let roomsGround: [Target.Dependency] = [
    "Sys", "SIP", "SIPTransactions", "Dialling", "SIPWriting", "Digest", "Reactor", "Messages",
    "Journal",
]

/// The rooms of the core, which are folders of Sources/Proxy.
let rooms = [
    "ProxyBench", "Connections", "Trunks", "AccountCache", "Admission", "Authentication",
    "LocationService", "Transactions", "AsteriskPool", "ProxyCore", "Calls", "Paths",
]

/// A room of the core: what is in it is seen by nobody else, but for its `package` declarations.
func room(_ folder: String, _ below: [Target.Dependency]) -> Target {
    let name = folder == "Bench" ? "ProxyBench" : folder
    return .target(
        name: name, dependencies: roomsGround + (folder == "Bench" ? [] : ["ProxyBench"]) + below,
        path: "Sources/Proxy/\(folder)", swiftSettings: strict)
}

/// The front door of the core, which leads to every room.
let frontDoor: Target = .target(
    name: "Proxy", dependencies: roomsGround + rooms.map { .byName(name: $0) } + ["Registrar"],
    path: "Sources/Proxy", exclude: rooms.map { $0 == "ProxyBench" ? "Bench" : $0 },
    swiftSettings: strict)

/// A test target; its folder is Tests/Unit/`name`.
func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(
        name: name, dependencies: dependencies, path: "Tests/Unit/\(name)", swiftSettings: strict)
}

/// The fuzzers, which do not link without `--sanitize=fuzzer`, hence only when they are asked for.
let fuzzers: [Target] =
    Context.environment["REMPART_FUZZ"] == nil
    ? []
    : [
        "message", "framing", "uri", "digest", "token", "frame", "settings", "nonce", "stun",
        "body", "transaction", "router", "asterisk",
    ].map { name in
        .executableTarget(
            name: "fuzz-\(name)", dependencies: ["FuzzProperties"], path: "Fuzz/\(name)",
            swiftSettings: strict + [.unsafeFlags(["-parse-as-library"])])
    }

/// The million calls of `make soak`, which nothing else needs.
let soak: [Target] =
    Context.environment["REMPART_SOAK"] == nil
    ? []
    : [
        .executableTarget(
            name: "soak", dependencies: ["RouterHarness", "Messages", "Sys"], path: "Tests/Soak",
            swiftSettings: strict)
    ]

/// What `Benchmarks/core.sh` counts the instructions of.
let core: [Target] =
    Context.environment["REMPART_CORE"] == nil
    ? []
    : [
        .executableTarget(
            name: "core",
            dependencies: ["RouterHarness", "Proxy", "ProxyBench", "SIP", "Sys", "Messages"],
            path: "Benchmarks/core", swiftSettings: strict)
    ]

let package = Package(
    name: "rempart",
    products: [
        .executable(name: "rempart", targets: ["rempart"]),
        .executable(name: "supervisor", targets: ["supervisor"]),
        .executable(name: "tls-terminator", targets: ["tls-terminator"]),
        .executable(name: "sip-router", targets: ["sip-router"]),
        .executable(name: "accounts-reader", targets: ["accounts-reader"]),
        .executable(name: "directory", targets: ["directory"]),
        .executable(name: "banner", targets: ["banner"]),
        .executable(name: "loadgen", targets: ["loadgen"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
    ],
    targets: [
        // The C edge.
        .target(name: "CLinux"),
        .systemLibrary(name: "COpenSSL", pkgConfig: "libssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(
            name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CODBC", pkgConfig: "odbc", providers: [.apt(["unixodbc-dev"])]),
        .systemLibrary(
            name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(
            name: "CJansson", pkgConfig: "jansson", providers: [.apt(["libjansson-dev"])]),
        .systemLibrary(
            name: "CSystemd", pkgConfig: "libsystemd", providers: [.apt(["libsystemd-dev"])]),
        .systemLibrary(
            name: "CNftables", pkgConfig: "libnftables", providers: [.apt(["libnftables-dev"])]),
        .systemLibrary(
            name: "CMaxMindDB", pkgConfig: "libmaxminddb", providers: [.apt(["libmaxminddb-dev"])]),
        .systemLibrary(
            name: "CSeccomp", pkgConfig: "libseccomp", providers: [.apt(["libseccomp-dev"])]),
        // Another's SIP parser, for the tests alone: named by its module map, so that building warns of nothing.
        .systemLibrary(name: "COsip", path: "Tests/Support/COsip"),

        // Foundation: no product words.
        library("Sys", ["CLinux"]),
        library("Wire", ["Sys"]),
        library("Reactor", ["Sys", "CLinux"]),
        library("Journal", ["Sys"]),
        library("SQLite", ["CSQLite", "Sys"]),
        library("ODBC", ["CODBC", "Sys"]),
        library("HTTP", ["CCurl", "Sys"]),

        // Product libraries: no I/O in the core.
        library("Messages", ["Sys", "Wire"]),
        library(
            "Privsep", ["Sys", "CLinux", "CSeccomp", "Wire", "Reactor", "Journal", "Messages"]),
        library("Spawning", ["Sys", "CLinux", "Messages"]),
        library("Settings", ["Sys", "Messages", .product(name: "Yams", package: "Yams")]),
        library("AsteriskFiles", ["Sys"]),
        library("SIP", ["Sys"]),
        library("Digest", ["Sys", "SIP", "CCrypto"]),
        library("SIPTransactions", ["Sys", "SIP", "Reactor"]),
        library("Registrar", ["Sys", "SIP", "Reactor", "Messages"]),
        library("Dialling", ["Sys", "SIP", "Messages"]),
        library("SIPWriting", ["Sys", "SIP", "Digest", "Messages"]),
        // The core: a room for each owner, which sees those below it and no other.
        room("Bench", []),
        room("Connections", []),
        room("Trunks", []),
        room("AccountCache", []),
        room("Admission", []),
        room("Authentication", ["AccountCache"]),
        room("LocationService", ["Registrar", "AccountCache", "Connections"]),
        room("Transactions", ["AccountCache", "Connections"]),
        room("AsteriskPool", ["AccountCache", "Authentication", "Connections", "Transactions"]),
        room(
            "ProxyCore",
            [
                "AccountCache", "Admission", "AsteriskPool", "Authentication", "Connections",
                "LocationService", "Transactions", "Trunks",
            ]),
        room(
            "Calls",
            [
                "AccountCache", "Admission", "AsteriskPool", "Authentication", "ProxyCore",
                "Transactions", "Trunks",
            ]),
        room(
            "Paths",
            [
                "AccountCache", "Admission", "AsteriskPool", "Calls", "Connections",
                "LocationService", "ProxyCore", "Transactions", "Trunks",
            ]),
        frontDoor,

        // Processes.
        process(
            "supervisor",
            ["Sys", "Wire", "Reactor", "Journal", "Messages", "Spawning", "CLinux", "CSystemd"]),
        process(
            "tls-terminator",
            ["Sys", "Wire", "Reactor", "Journal", "Messages", "Privsep", "COpenSSL"]),
        process(
            "sip-router",
            [
                "Sys", "Wire", "Reactor", "Journal", "Messages", "Privsep", "SIP", "Digest",
                "SIPTransactions", "Registrar", "Proxy",
            ]),
        process(
            "accounts-reader",
            [
                "Sys", "Wire", "Reactor", "Journal", "Messages", "Privsep", "SQLite", "CSQLite",
                "CCrypto", "CJansson", "AsteriskFiles", "ODBC", "HTTP",
            ]),
        process(
            "directory",
            ["Sys", "Wire", "Reactor", "Journal", "Messages", "Privsep", "SQLite", "CSQLite"]),
        process(
            "banner",
            [
                "Sys", "Wire", "Reactor", "Journal", "Messages", "Privsep", "CNftables",
                "CMaxMindDB",
            ]),
        process(
            "rempart",
            [
                "Sys", "Wire", "Reactor", "Messages", "Settings", "Spawning",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),

        // Benchmarks.
        .executableTarget(
            name: "loadgen", dependencies: ["Sys", "CLinux", "CCrypto", "COpenSSL"],
            path: "Benchmarks/loadgen", swiftSettings: strict),
        .executableTarget(
            name: "bans", dependencies: ["Sys", "Wire", "Reactor", "Messages"],
            path: "Benchmarks/bans", swiftSettings: strict),

        // Tests.
        .target(name: "Checkout", path: "Tests/Support/Checkout", swiftSettings: strict),
        tests("DocumentTests", ["Checkout"]),
        tests("SysTests", ["Sys"]),
        tests("WireTests", ["Wire", "Sys"]),
        tests("ReactorTests", ["Reactor", "Sys"]),
        tests("JournalTests", ["Journal", "Sys"]),
        tests("MessagesTests", ["Messages", "Wire", "Sys"]),
        tests("SettingsTests", ["Settings", "Messages", "Sys"]),
        tests(
            "CommandLineTests",
            [
                "Checkout", "rempart", "Settings", "Messages", "Reactor", "Spawning", "Sys",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .target(
            name: "MemoryFiles", dependencies: ["AsteriskFiles", "Sys"],
            path: "Tests/Support/MemoryFiles", swiftSettings: strict),
        tests("HTTPTests", ["HTTP", "StandInServer", "TemporaryFolder", "Sys"]),
        tests("AsteriskFilesTests", ["AsteriskFiles", "MemoryFiles", "TemporaryFolder", "Sys"]),
        .executableTarget(
            name: "asterisk-files-reader", dependencies: ["AsteriskFiles"],
            path: "Tests/Support/AsteriskFilesReader", swiftSettings: strict),
        tests("SIPTests", ["SIP", "Sys"]),
        tests("DigestTests", ["Digest", "SIP", "Sys"]),
        tests("SIPTransactionsTests", ["SIPTransactions", "SIP", "Sys", "Reactor"]),
        tests("RegistrarTests", ["Registrar", "Messages", "SIP", "Sys", "Reactor"]),
        .target(
            name: "TemporaryFolder", dependencies: ["Sys"], path: "Tests/Support/TemporaryFolder",
            swiftSettings: strict),
        .target(
            name: "TestDatabase", dependencies: ["TemporaryFolder", "SQLite"],
            path: "Tests/Support/TestDatabase", swiftSettings: strict),
        .target(
            name: "StandInServer", dependencies: ["Sys"], path: "Tests/Support/StandInServer",
            swiftSettings: strict),
        .target(
            name: "SmallDisk", dependencies: ["Sys"], path: "Tests/Support/SmallDisk",
            swiftSettings: strict),
        .target(
            name: "ServiceHarness",
            dependencies: ["Privsep", "Messages", "Journal", "Reactor", "Wire", "Sys"],
            path: "Tests/Support/ServiceHarness", swiftSettings: strict),
        tests(
            "PrivsepTests",
            [
                "ServiceHarness", "supervised-child", "Privsep", "Messages", "Reactor", "Wire",
                "Sys",
            ]),
        .target(
            name: "RouterHarness",
            dependencies: ["Proxy", "SIP", "Registrar", "Digest", "Sys", "Messages", "Journal"],
            path: "Tests/Support/RouterHarness", swiftSettings: strict),
        tests("DiallingTests", ["Dialling", "Messages", "Sys"]),
        tests("SIPWritingTests", ["SIPWriting", "Digest", "Messages", "SIP", "Sys"]),
        tests(
            "AdmissionTests",
            [
                "RouterHarness", "Admission", "ProxyBench", "SIPWriting", "SIP", "Messages",
                "Journal", "Sys",
            ]),
        tests(
            "ProxyTests",
            [
                "Checkout", "RouterHarness", "Proxy", "ProxyBench", "Calls", "SIP",
                "SIPTransactions", "Registrar", "Dialling", "SIPWriting", "Digest", "Sys",
                "Messages", "Journal",
            ]),
        .target(
            name: "BenchHarness",
            dependencies: ["ProxyBench", "Messages", "Journal", "SIP", "Sys"],
            path: "Tests/Support/BenchHarness", swiftSettings: strict),
        tests(
            "TrunksTests",
            ["BenchHarness", "Trunks", "ProxyBench", "SIPWriting", "SIP", "Messages", "Sys"]),
        .target(
            name: "CoreHarness",
            dependencies: [
                "BenchHarness", "RouterHarness", "ProxyCore", "LocationService", "Transactions",
                "Trunks", "Authentication", "AccountCache", "Admission", "AsteriskPool",
                "Connections", "ProxyBench", "SIPTransactions", "SIPWriting", "SIP", "Digest",
                "Reactor", "Messages", "Sys",
            ], path: "Tests/Support/CoreHarness", swiftSettings: strict),
        tests(
            "ProxyCoreTests",
            [
                "BenchHarness", "RouterHarness", "CoreHarness", "ProxyCore", "AsteriskPool",
                "Transactions", "ProxyBench", "SIPWriting", "SIP", "Digest", "Messages", "Sys",
            ]),
        tests(
            "CallsTests",
            [
                "BenchHarness", "RouterHarness", "CoreHarness", "Calls", "ProxyCore",
                "AccountCache", "ProxyBench", "Dialling", "SIPWriting", "SIP", "Digest", "Messages",
                "Sys",
            ]),
        tests(
            "AsteriskPoolTests",
            [
                "BenchHarness", "AsteriskPool", "Authentication", "Transactions", "AccountCache",
                "Connections", "ProxyBench", "SIPTransactions", "SIP", "Reactor", "Messages", "Sys",
            ]),
        tests(
            "AccountCacheTests",
            [
                "BenchHarness", "AccountCache", "ProxyBench", "SIP", "Digest", "Messages", "Sys",
            ]),
        tests(
            "AuthenticationTests",
            [
                "BenchHarness", "RouterHarness", "Authentication", "AccountCache", "ProxyBench",
                "SIPWriting", "SIP", "Digest", "Reactor", "Messages", "Sys",
            ]),
        tests(
            "TransactionsTests",
            [
                "BenchHarness", "RouterHarness", "Transactions", "AccountCache", "Connections",
                "ProxyBench", "SIPTransactions", "SIPWriting", "SIP", "Reactor", "Messages", "Sys",
            ]),
        tests("ConnectionsTests", ["Connections", "Messages", "Sys"]),
        tests(
            "LocationServiceTests",
            [
                "BenchHarness", "LocationService", "Connections", "AccountCache", "ProxyBench",
                "SIPWriting", "SIP", "Reactor", "Messages", "Sys",
            ]),
        .executableTarget(
            name: "supervised-child",
            dependencies: ["Sys", "Reactor", "Messages", "Privsep", "CSeccomp"],
            path: "Tests/Support/SupervisedChild", swiftSettings: strict),
        tests(
            "SupervisorTests",
            [
                "Checkout", "supervisor", "supervised-child", "Journal", "Messages", "Reactor",
                "Spawning", "Sys", "Wire", "SmallDisk",
            ]),
        tests(
            "SIPRouterTests",
            [
                "sip-router", "ServiceHarness", "RouterHarness", "Privsep", "Proxy", "Messages",
                "Registrar", "Reactor", "Sys", "Wire",
            ]),
        tests(
            "TLSTerminatorTests",
            [
                "tls-terminator", "ServiceHarness", "Messages", "Journal", "Privsep", "Reactor",
                "Sys", "Wire", "COpenSSL",
            ]),
        tests(
            "AccountsReaderTests",
            [
                "accounts-reader", "AsteriskFiles", "SQLite", "ODBC", "HTTP", "Messages", "Sys",
                "Wire", "Journal", "Privsep", "SmallDisk", "StandInServer", "TemporaryFolder",
                "TestDatabase",
            ]),
        tests(
            "DirectoryTests",
            [
                "directory", "SQLite", "Messages", "Sys", "Wire", "Reactor", "Journal", "Privsep",
                "SmallDisk", "TemporaryFolder", "TestDatabase",
            ]),
        tests(
            "BannerTests",
            [
                "banner", "Messages", "Sys", "Wire", "Reactor", "Journal", "Privsep", "SmallDisk",
                "TemporaryFolder",
            ]),
        .target(
            name: "FuzzProperties",
            dependencies: [
                "Sys", "SIP", "SIPTransactions", "Digest", "Messages", "Wire", "Settings",
                "Registrar", "SIPWriting", "Proxy", "RouterHarness", "AsteriskFiles", "MemoryFiles",
            ], path: "Fuzz/Properties", swiftSettings: strict),
        tests(
            "CorpusTests",
            [
                "Checkout", "FuzzProperties", "RouterHarness", "COsip", "Proxy", "SIP", "Registrar",
                "Digest", "Sys", "Messages", "Journal",
            ]),
    ] + fuzzers + soak + core
)
