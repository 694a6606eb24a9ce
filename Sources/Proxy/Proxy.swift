// The target Proxy.
