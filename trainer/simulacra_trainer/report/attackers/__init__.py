"""What attackers read of persons in generated rows: membership, answers, words and numbers."""
