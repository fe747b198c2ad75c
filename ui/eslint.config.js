import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';

/** Ways to turn a string into markup or code. The page shows attackers' bytes: none may be used. */
const sinks = ['innerHTML', 'outerHTML', 'srcdoc'].map((name) => ({
  selector: `AssignmentExpression > MemberExpression.left[property.name='${name}']`,
  message: `${name} makes markup of text; use text nodes.`,
}));
const calls = ['insertAdjacentHTML', 'write', 'createContextualFragment'].map((name) => ({
  selector: `CallExpression > MemberExpression.callee[property.name='${name}'][object.name!='stdout']`,
  message: `${name} makes markup of text; use text nodes.`,
}));

export default ts.config(
  { ignores: ['dist', 'node_modules', 'src/generated'] },
  ...ts.configs.recommended,
  ...svelte.configs['flat/recommended'],
  {
    languageOptions: { globals: { ...globals.browser, ...globals.node } },
    rules: {
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-eval': 'error',
      'no-implied-eval': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
    },
  },
  {
    files: ['src/**'],
    ignores: ['**/*.test.ts'],
    rules: { 'no-restricted-syntax': ['error', ...sinks, ...calls] },
  },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser } },
    rules: {
      'svelte/no-at-html-tags': 'error',
      // Own router: addresses are plain paths.
      'svelte/no-navigation-without-resolve': 'off',
      // Plain maps and sets are kept where nothing is drawn from them.
      'svelte/prefer-svelte-reactivity': 'off',
    },
  },
);
