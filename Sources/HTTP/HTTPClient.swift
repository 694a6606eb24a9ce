// The few calls of libcurl that are needed: several GETs of one server at once, each bounded in time and length.
internal import CCurl
package import Sys

/// Asks one server, for one thread; its connections are kept for the next requests.
///
/// Nothing but the server is ever asked: no proxy, no redirection, no other scheme. Its name is not looked up here, since
/// libcurl would take a thread for that (`HTTPServer.resolved`).
@safe
package final class HTTPClient {
    /// How many requests are under way at once at most.
    package static let mostAtOnce = 4

    private let multi: UnsafeMutableRawPointer
    private let limits: HTTPLimits
    private let resolved: UnsafeMutablePointer<curl_slist>?
    private let server: HTTPServer
    private var idle: [Transfer] = []
    private var busy: [Transfer] = []
    /// The requests of `get`, and their answers so far.
    private var paths: [String] = []
    private var begun = 0
    private var results: [Result<HTTPAnswer, HTTPFailure>?] = []
    private var end = Milliseconds(0)

    /// What libcurl has to do once in a process.
    private static let isReady = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

    /// A client without a connection; nil when there is no memory for it.
    package init?(_ server: HTTPServer, _ limits: HTTPLimits = HTTPLimits()) {
        guard Self.isReady, let multi = unsafe curl_multi_init() else { return nil }
        unsafe self.multi = unsafe multi
        self.limits = limits
        self.server = server
        unsafe resolved = server.resolved.flatMap { unsafe curl_slist_append(nil, $0) }
        _ = unsafe ccurl_set_limit(
            multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, Int(Self.mostAtOnce))
        for _ in 0..<Self.mostAtOnce {
            guard let transfer = Transfer(server, limits) else { return nil }
            if let resolved = unsafe resolved { unsafe transfer.resolve(resolved) }
            idle.append(transfer)
        }
    }

    deinit {
        for transfer in busy { _ = unsafe curl_multi_remove_handle(multi, transfer.easy) }
        _ = unsafe curl_multi_cleanup(multi)
        unsafe curl_slist_free_all(resolved)
    }

    /// Another client of the same server, with other limits; nil when there is no memory for it.
    package func alike(_ limits: HTTPLimits) -> HTTPClient? { HTTPClient(server, limits) }

    /// What comes of GETs of these paths until a moment, in their order.
    ///
    /// After a failure that is the server's (`HTTPFailure.isOfServer`) no other request begins.
    package func get(
        _ paths: [String], until end: Milliseconds
    ) -> [Result<HTTPAnswer, HTTPFailure>] {
        self.paths = paths
        self.end = end
        begun = 0
        results = Array(repeating: nil, count: paths.count)
        refill()
        while !busy.isEmpty {
            var running: Int32 = 0
            _ = unsafe curl_multi_perform(multi, &running)
            gather()
            refill()
            let left = end + Self.grace - Clock.monotonic
            guard left.count > 0 else {
                giveUp(.late, all: true)
                break
            }
            if !busy.isEmpty {
                _ = unsafe curl_multi_poll(multi, nil, 0, Int32(clamping: left.count), nil)
            }
        }
        defer { results = [] }
        return results.map { $0 ?? .failure(.late) }
    }

    /// How long after its end a transfer may still be told by libcurl, whose own clock ends it.
    private static let grace = Milliseconds(100)

    private func gather() {
        var code = CURLE_OK
        while let easy = unsafe ccurl_next_ended(multi, &code) {
            guard let index = busy.firstIndex(where: { unsafe $0.easy == easy }) else {
                continue
            }
            let transfer = busy.remove(at: index)
            let result = transfer.result(code)
            results[transfer.index] = result
            release(transfer)
            if case .failure(let failure) = result, failure.isOfServer {
                giveUp(failure, all: false)
            }
        }
    }

    /// Begins no other request; with `all` those under way end too.
    private func giveUp(_ failure: HTTPFailure, all: Bool) {
        for index in begun..<paths.count { results[index] = .failure(failure) }
        begun = paths.count
        guard all else { return }
        for transfer in busy {
            results[transfer.index] = .failure(failure)
            release(transfer)
        }
        busy = []
    }

    private func refill() {
        while begun < paths.count, let transfer = idle.popLast() {
            let left = end - Clock.monotonic
            guard left.count > 0 else {
                idle.append(transfer)
                return giveUp(.late, all: false)
            }
            transfer.begin(begun, server.root + paths[begun], within: left)
            begun += 1
            busy.append(transfer)
            _ = unsafe curl_multi_add_handle(multi, transfer.easy)
        }
    }

    private func release(_ transfer: Transfer) {
        _ = unsafe curl_multi_remove_handle(multi, transfer.easy)
        idle.append(transfer)
    }
}

/// CURLAUTH_BASIC, a macro with a cast.
private let basic = 1

/// One request under way, and what has come of it.
@safe
private final class Transfer {
    let easy: UnsafeMutableRawPointer
    /// Which of the client's requests it is.
    private(set) var index = 0
    private let words: UnsafeMutablePointer<CChar>
    private let longest: Int
    private var body: [UInt8] = []
    private var isTooLong = false

    /// A transfer with all that holds for each; nil when there is no memory, or the library lacks something.
    init?(_ server: HTTPServer, _ limits: HTTPLimits) {
        guard let easy = unsafe curl_easy_init() else { return nil }
        unsafe self.easy = unsafe easy
        unsafe words = .allocate(capacity: Int(CURL_ERROR_SIZE))
        unsafe words.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        longest = limits.body
        let isHTTPS = server.root.hasPrefix("https:")
        var texts: [(CURLoption, String)] = [
            (CURLOPT_PROTOCOLS_STR, isHTTPS ? "https" : "http"),
            // Not the one that the environment names.
            (CURLOPT_PROXY, ""), (CURLOPT_USERNAME, server.user),
        ]
        if let trusted = server.trusted { texts.append((CURLOPT_CAINFO, trusted)) }
        let numbers: [(CURLoption, Int)] = [
            (CURLOPT_NOSIGNAL, 1), (CURLOPT_FOLLOWLOCATION, 0), (CURLOPT_PATH_AS_IS, 1),
            (CURLOPT_HTTPAUTH, basic), (CURLOPT_SSL_VERIFYPEER, 1), (CURLOPT_SSL_VERIFYHOST, 2),
            (CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1)), (CURLOPT_TCP_KEEPALIVE, 1),
            (CURLOPT_CONNECTTIMEOUT_MS, limits.connecting),
        ]
        for (option, text) in texts where unsafe ccurl_set_text(easy, option, text) != CURLE_OK {
            return nil
        }
        for (option, number) in numbers
        where unsafe ccurl_set_number(easy, option, number) != CURLE_OK { return nil }
        setPassword(server.password)
        _ = unsafe ccurl_set_pointer(easy, CURLOPT_ERRORBUFFER, words)
        _ = unsafe ccurl_set_writer(easy) { bytes, size, count, transfer in
            // The transfer lives as long as its handle, and libcurl's bytes as long as this call.
            guard let bytes = unsafe bytes, let transfer = unsafe transfer else { return 0 }
            let taker = unsafe Unmanaged<Transfer>.fromOpaque(transfer).takeUnretainedValue()
            let taken = unsafe taker.take(
                UnsafeRawBufferPointer(start: bytes, count: size * count))
            return taken ? size * count : 0
        }
        _ = unsafe ccurl_set_pointer(
            easy, CURLOPT_WRITEDATA, Unmanaged.passUnretained(self).toOpaque())
    }

    private func setPassword(_ password: [UInt8]) {
        var text = password + [0]
        // libcurl copies up to the zero.
        unsafe text.withUnsafeBytes { bytes in
            let characters = unsafe bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
            _ = unsafe ccurl_set_text(easy, CURLOPT_PASSWORD, characters)
        }
        text.wipe()
    }

    /// Has the addresses of the server's name from a list that outlives this.
    func resolve(_ list: UnsafeMutablePointer<curl_slist>) {
        _ = unsafe ccurl_set_list(easy, CURLOPT_RESOLVE, list)
    }

    deinit {
        unsafe curl_easy_cleanup(easy)
        unsafe words.deallocate()
    }

    /// Prepares it for a request.
    func begin(_ index: Int, _ url: String, within span: Milliseconds) {
        self.index = index
        (body, isTooLong) = ([], false)
        unsafe words.pointee = 0
        _ = unsafe ccurl_set_text(easy, CURLOPT_URL, url)
        _ = unsafe ccurl_set_number(easy, CURLOPT_TIMEOUT_MS, Int(span.count))
    }

    private func take(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard body.count + bytes.count <= longest else {
            isTooLong = true
            return false
        }
        // In bounds: libcurl's own bytes and length.
        unsafe body.append(contentsOf: bytes)
        return true
    }

    /// What has come of it, which ended with a code.
    func result(_ code: CURLcode) -> Result<HTTPAnswer, HTTPFailure> {
        defer { body = [] }
        guard code == CURLE_OK else { return .failure(failure(code)) }
        var status = 0
        var took: curl_off_t = 0
        _ = unsafe ccurl_get_number(easy, CURLINFO_RESPONSE_CODE, &status)
        _ = unsafe ccurl_get_microseconds(easy, CURLINFO_TOTAL_TIME_T, &took)
        return .success(
            HTTPAnswer(status: status, body: body, microseconds: UInt32(clamping: took)))
    }

    private func failure(_ code: CURLcode) -> HTTPFailure {
        // The C strings are whole: libcurl ends each with a zero.
        let own = unsafe String(cString: words)
        let text = own.isEmpty ? unsafe String(cString: curl_easy_strerror(code)) : own
        return switch code {
        case CURLE_OPERATION_TIMEDOUT: .late
        case CURLE_COULDNT_CONNECT, CURLE_COULDNT_RESOLVE_HOST: .unreachable(text)
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CONNECT_ERROR, CURLE_SSL_CACERT_BADFILE,
            CURLE_SSL_CERTPROBLEM:
            .untrusted(text)
        case CURLE_WRITE_ERROR where isTooLong: .tooLong(longest)
        default: .broken(text)
        }
    }
}
