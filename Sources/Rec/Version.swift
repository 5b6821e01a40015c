/// The version of the library and of `recc`.
public let version = "0.2.0"
