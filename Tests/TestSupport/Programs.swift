/// A model with a loss, a state, an optional once input, whole numbers and bools.
public let everything = """
    model M(D, H) {
      input x: [D]
      input k: int
      input on: bool
      param W: [H, D]
      param U: [H, H]
      param table: [5, H]
      input h0: [H] once = 0
      state h: [H] = h0
      h = if on then tanh(W @ x + U @ h[t-1] + table[k]) else h[t-1]
      loss size = mean[t](sum(h * h))
      output h
    }
    """
