@0xb6f1a6d2c3e4f501;

interface Item {}

interface Link {
  follow @0 () -> (link :Link);
  depth @1 () -> (value :Int64);
}

interface Bench {
  add @0 (a :Int64, b :Int64) -> (value :Int64);
  put @1 (data :Data) -> (octets :Int64);
  link @2 () -> (link :Link);
  mint @3 () -> (item :Item);
  live @4 () -> (count :Int64);
}
