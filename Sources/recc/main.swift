print("recc")
