"""What calls tell of issues, indices and accounts by KIS field: from the market, or made up."""
