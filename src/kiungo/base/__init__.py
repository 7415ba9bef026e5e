"""The vocabulary of every layer: errors, money, ids, codes and time. Standard library only."""
