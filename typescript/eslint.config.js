import eslint from '@eslint/js';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['dist', '**/build', 'driver/gen', 'eslint.config.js'] },
  eslint.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      // Operations may throw anything, and it must reach the caller unchanged.
      '@typescript-eslint/only-throw-error': 'off',
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // Between policies the context of an operation is always the package's own Call.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      // Options come from JavaScript too: what the types promise is checked.
      '@typescript-eslint/no-unnecessary-condition': 'off',
    },
  },
  {
    files: ['bench/**'],
    rules: { '@typescript-eslint/require-await': 'off' }, // that an operation is async is what is measured
  },
);
