export type Hex = `0x${string}`;
/** 20 bytes. */
export type Address = Hex;
